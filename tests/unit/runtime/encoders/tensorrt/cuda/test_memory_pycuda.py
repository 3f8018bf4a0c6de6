"""The layer over a module that behaves as pycuda.driver does."""

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda import memory_pycuda
from embedge.runtime.encoders.tensorrt.cuda.failures import CudaFailure
from embedge.runtime.encoders.tensorrt.cuda.memory_pycuda import PycudaMemory


class Error(Exception):
    pass


class Allocation(int):
    blocks: ClassVar[dict[int, np.ndarray]] = {}

    def free(self) -> None:
        del self.blocks[self]


class Pycuda:
    Error = Error

    def __init__(self) -> None:
        self.depth, self.detached = 0, 0
        self.Context = SimpleNamespace(pop=self._pop)

    def init(self) -> None: ...

    def Device(self, _: int) -> Any:  # noqa: N802 - pycuda's name
        context = SimpleNamespace(push=self._push, detach=self._detach)
        return SimpleNamespace(retain_primary_context=lambda: context)

    def Stream(self) -> Any:  # noqa: N802 - pycuda's name
        return SimpleNamespace(handle=9, synchronize=lambda: None)

    def mem_alloc(self, nbytes: int) -> Allocation:
        if nbytes > 100:
            raise Error("cuMemAlloc failed: out of memory")
        address = Allocation(len(Allocation.blocks) + 1)
        Allocation.blocks[address] = np.zeros(nbytes, np.uint8)
        return address

    def pagelocked_empty(self, shape: Any, dtype: Any) -> np.ndarray:
        return np.empty(shape, dtype)

    def memcpy_htod_async(self, address: int, source: np.ndarray, stream: Any) -> None:
        assert stream.handle == 9
        Allocation.blocks[address][:] = source

    def memcpy_dtoh_async(self, target: np.ndarray, address: int, stream: Any) -> None:
        assert stream.handle == 9
        target[:] = Allocation.blocks[address]

    def _push(self) -> None:
        self.depth += 1

    def _pop(self) -> None:
        self.depth -= 1

    def _detach(self) -> None:
        self.detached += 1


@pytest.fixture
def pycuda(monkeypatch: pytest.MonkeyPatch) -> Pycuda:
    made = Pycuda()
    monkeypatch.setattr(memory_pycuda, "_pycuda", lambda: made)
    return made


def test_what_is_uploaded_comes_back_and_all_is_released(pycuda: Pycuda) -> None:
    memory = PycudaMemory()
    with memory.current():
        assert pycuda.depth == 1
        stream, host = memory.stream(), memory.pinned((5,), np.float32)
        host[:] = 3
        block = memory.allocate(host.nbytes)
        memory.upload(block, host, stream)
        host[:] = 0
        memory.download(host, block, stream)
        assert host.tolist() == [3] * 5
        assert stream.handle == 9
        block.close()
        stream.close()
    memory.close()
    assert (pycuda.depth, pycuda.detached, Allocation.blocks) == (0, 1, {})


def test_pycudas_words_become_an_error(pycuda: Pycuda) -> None:
    memory = PycudaMemory()
    with pytest.raises(CudaFailure, match=r"E-CUDA-MEMORY.*cuMemAlloc: out of memory"):
        memory.allocate(1000)


def test_pycuda_that_does_not_import_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EmbedgeError, match="E-CUDA-LAYER"):
        PycudaMemory()
