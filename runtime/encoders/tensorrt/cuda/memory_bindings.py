"""The memory layer on NVIDIA's cuda-bindings, a wheel that needs no compiler."""

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.failures import cuda_failure
from embedge.runtime.encoders.tensorrt.cuda.memory import DeviceBlock, Stream, as_bytes

__all__ = ["BindingsMemory"]


class BindingsMemory:
    """Device memory through `cuda.bindings.driver`, on the primary context of the device."""

    name = "cuda-bindings"

    def __init__(self, device: int = 0) -> None:
        self._cuda = _bindings()
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", device)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            self._call("cuCtxPopCurrent")

    def stream(self) -> Stream:
        return _Stream(self, self._call("cuStreamCreate", 0))

    def allocate(self, nbytes: int) -> DeviceBlock:
        return _Block(self, int(self._call("cuMemAlloc", nbytes)))

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        kind = np.dtype(dtype)
        nbytes = int(np.prod(shape)) * kind.itemsize
        address = int(self._call("cuMemHostAlloc", nbytes, 0))
        memory = (ctypes.c_char * nbytes).from_address(address)
        weakref.finalize(memory, self._free_host, address)
        return np.frombuffer(memoryview(memory), kind).reshape(shape)

    def upload(self, block: DeviceBlock, array: NDArray[Any], stream: Stream) -> None:
        source = as_bytes(array)
        self._call(
            "cuMemcpyHtoDAsync", block.address, source.ctypes.data, source.nbytes, stream.handle
        )

    def download(self, array: NDArray[Any], block: DeviceBlock, stream: Stream) -> None:
        target = as_bytes(array)
        self._call(
            "cuMemcpyDtoHAsync", target.ctypes.data, block.address, target.nbytes, stream.handle
        )

    def close(self) -> None:
        self._call("cuDevicePrimaryCtxRelease", self._device)

    def _free_host(self, address: int) -> None:
        with self.current():
            self._call("cuMemFreeHost", address)

    def _call(self, name: str, *arguments: Any) -> Any:
        """Every function returns (status, values…); a bad status becomes an error."""
        status, *values = getattr(self._cuda, name)(*arguments)
        if int(status) != 0:
            _, text = self._cuda.cuGetErrorString(status)
            raise cuda_failure(name, (text or b"unknown error").decode())
        return values[0] if values else None


class _Stream:
    def __init__(self, memory: BindingsMemory, raw: Any) -> None:
        self._memory = memory
        self._raw = raw

    @property
    def handle(self) -> int:
        return int(self._raw)

    def synchronize(self) -> None:
        self._memory._call("cuStreamSynchronize", self._raw)

    def close(self) -> None:
        self._memory._call("cuStreamDestroy", self._raw)


class _Block:
    def __init__(self, memory: BindingsMemory, address: int) -> None:
        self._memory = memory
        self.address = address

    def close(self) -> None:
        self._memory._call("cuMemFree", self.address)


def _bindings() -> Any:
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise EmbedgeError(
            "E-CUDA-LAYER",
            f"cuda-bindings does not import ({error})",
            remedy="Run: pip install cuda-bindings",
        ) from error
    return driver
