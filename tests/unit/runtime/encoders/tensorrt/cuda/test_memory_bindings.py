"""The layer over a driver of Python functions that answer as cuda-bindings do: (status, values)."""

import ctypes
import gc
from typing import Any

import numpy as np
import pytest

from embedge.runtime.encoders.tensorrt.cuda import memory_bindings
from embedge.runtime.encoders.tensorrt.cuda.failures import CudaFailure
from embedge.runtime.encoders.tensorrt.cuda.memory_bindings import BindingsMemory


class Driver:
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing = ""
        self._kept: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> tuple[Any, ...]:
            self.calls.append(name)
            return (2,) if name == self.failing else (0, *self._answer(name, given))

        return call

    def cuGetErrorString(self, _: int) -> tuple[int, bytes]:  # noqa: N802 - NVIDIA's name
        return 0, b"out of memory"

    def _answer(self, name: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        if name in ("cuMemAlloc", "cuMemHostAlloc"):
            block = ctypes.create_string_buffer(given[0])
            self._kept[ctypes.addressof(block)] = block
            return (ctypes.addressof(block),)
        if name.startswith("cuMemcpy"):
            ctypes.memmove(int(given[0]), int(given[1]), given[2])
        return (5,)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(memory_bindings, "_bindings", lambda: made)
    return made


def test_what_is_uploaded_comes_back_and_all_is_released(driver: Driver) -> None:
    memory = BindingsMemory()
    with memory.current():
        stream = memory.stream()
        host = memory.pinned((2, 3), np.float32)
        host[:] = np.arange(6).reshape(2, 3)
        block = memory.allocate(host.nbytes)
        memory.upload(block, host, stream)
        host[:] = 0
        memory.download(host, block, stream)
        stream.synchronize()
        assert host.tolist() == [[0, 1, 2], [3, 4, 5]]
        block.close()
        stream.close()
    del host
    gc.collect()
    memory.close()
    ends = ("cuMemFree", "cuStreamDestroy", "cuMemFreeHost", "cuDevicePrimaryCtxRelease")
    assert [driver.calls.count(end) for end in ends] == [1, 1, 1, 1]
    pushed = driver.calls.count("cuCtxPushCurrent")
    assert pushed == driver.calls.count("cuCtxPopCurrent") == 2


def test_a_bad_status_is_an_error_in_the_drivers_words(driver: Driver) -> None:
    memory = BindingsMemory()
    driver.failing = "cuMemAlloc"
    with pytest.raises(CudaFailure, match=r"E-CUDA-MEMORY.*out of memory"), memory.current():
        memory.allocate(10)
    assert driver.calls[-1] == "cuCtxPopCurrent"
