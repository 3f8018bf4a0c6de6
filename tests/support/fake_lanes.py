"""A GPU of numpy for the TensorRT encoder: memory, engine and context, all counted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from embedge.runtime.encoders.tensorrt.engine import TensorRTEngine

DIM = 4


class Counted:
    """`live` counts what was opened and not closed."""

    def __init__(self) -> None:
        self.live = 0
        self.blocks: dict[int, np.ndarray] = {}


class FakeMemory(Counted):
    name = "numpy"
    closed = False

    @contextmanager
    def current(self) -> Iterator[None]:
        assert not self.closed, "the memory is used after it was closed"
        yield

    def stream(self) -> Any:
        self.live += 1
        return SimpleNamespace(handle=7, synchronize=lambda: None, close=self._gone)

    def allocate(self, nbytes: int) -> Any:
        self.live += 1
        address = len(self.blocks) + 1
        self.blocks[address] = np.zeros(nbytes, np.uint8)

        def close() -> None:
            self.blocks[address] = None  # type: ignore[assignment]
            self._gone()

        return SimpleNamespace(address=address, close=close)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.zeros(shape, dtype)

    def upload(self, block: Any, array: np.ndarray, _: Any) -> None:
        self.blocks[block.address][: array.nbytes] = array.reshape(-1).view(np.uint8)
        time.sleep(0.0005)

    def download(self, array: np.ndarray, block: Any, _: Any) -> None:
        array.reshape(-1).view(np.uint8)[:] = self.blocks[block.address][: array.nbytes]

    def close(self) -> None:
        self.closed = True

    def _gone(self) -> None:
        self.live -= 1


class FakeContext:
    """Answers with the first pixels of each picture."""

    def __init__(self, memory: FakeMemory) -> None:
        self.memory = memory
        self.addresses: dict[str, Any] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.works = True

    def set_optimization_profile_async(self, *_: Any) -> bool:
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, _: str, shape: tuple[int, ...]) -> bool:
        self.shapes.append(shape)
        return True

    def execute_async_v3(self, _: int) -> bool:
        count, pixels = self.shapes[-1][0], int(np.prod(self.shapes[-1][1:]))
        given = self.memory.blocks[self.addresses["in"]].view(np.float32)[: count * pixels]
        rows = given.reshape(count, pixels)[:, :DIM]
        out = self.memory.blocks[self.addresses["out"]].view(np.float32)
        out[: rows.size] = rows.reshape(-1)
        return self.works


def fake_engine(memory: FakeMemory, batches: tuple[int, int, int] = (1, 4, 4)) -> TensorRTEngine:
    contexts: list[FakeContext] = []

    def create() -> FakeContext:
        contexts.append(FakeContext(memory))
        return contexts[-1]

    engine = SimpleNamespace(
        create_execution_context=create, num_optimization_profiles=1, contexts=contexts
    )
    log = SimpleNamespace(errors=["what the log said"], warnings=[])
    return TensorRTEngine(engine, None, log, "in", "out", batches)
