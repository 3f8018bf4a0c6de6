import importlib.util
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver
from embedge.runtime.encoders.tensorrt.cuda.graphs import captured
from embedge.runtime.encoders.tensorrt.cuda.layers import open_memory
from embedge.runtime.encoders.tensorrt.cuda.memory import CudaMemory


@pytest.fixture(params=["pycuda", "cuda-bindings"])
def memory(request: pytest.FixtureRequest) -> Iterator[CudaMemory]:
    package = {"pycuda": "pycuda", "cuda-bindings": "cuda"}[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{request.param} is not installed here")
    opened = open_memory(request.param)
    yield opened
    opened.close()


def test_the_driver_names_its_devices(seen: dict[str, object]) -> None:
    driver = cuda_driver()
    assert driver.problem is None
    assert all(device.sm >= 50 and device.memory_bytes > 0 for device in driver.devices)
    seen["driver"] = asdict(driver)


def test_there_and_back(memory: CudaMemory, seen: dict[str, object]) -> None:
    with memory.current():
        stream = memory.stream()
        sent, got = (memory.pinned((3, 112, 112), np.float32) for _ in range(2))
        sent[:] = np.random.default_rng(0).normal(size=sent.shape)
        got[:] = 0
        block = memory.allocate(sent.nbytes)
        memory.upload(block, sent, stream)
        memory.download(got, block, stream)
        stream.synchronize()
        np.testing.assert_array_equal(got, sent)
        block.close()
        stream.close()
        del sent, got
    seen[f"memory {memory.name}"] = "upload and download are exact"


def test_a_graph_repeats_the_recorded_copies(memory: CudaMemory) -> None:
    with memory.current():
        assert _copies(memory, [1.0, 2.0, 3.0]) == [{1.0}, {2.0}, {3.0}]


def _copies(memory: CudaMemory, values: list[float]) -> list[set[float]]:
    """What arrives when one recorded there-and-back is launched for each value."""
    stream, block = memory.stream(), memory.allocate(4000)
    sent, got = (memory.pinned((1000,), np.float32) for _ in range(2))

    def work() -> None:
        memory.upload(block, sent, stream)
        memory.download(got, block, stream)

    graph = captured(work, stream.handle)
    arrived = []
    for value in values:
        sent[:] = value
        graph.launch(stream.handle)
        stream.synchronize()
        arrived.append(set(got.tolist()))
    for opened in (graph, block, stream):
        opened.close()
    return arrived


def test_more_memory_than_there_is(memory: CudaMemory) -> None:
    """Refused with the code for it, and the next allocation works."""
    wanted = 2 * cuda_driver().devices[0].memory_bytes
    with memory.current():
        with pytest.raises(EmbedgeError) as told:
            memory.allocate(wanted)
        assert told.value.code == "E-CUDA-MEMORY"
        memory.allocate(1024).close()
