"""The memory layer on pycuda."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.tensorrt.cuda.failures import cuda_failure
from embedge.runtime.encoders.tensorrt.cuda.memory import DeviceBlock, Stream, as_bytes

__all__ = ["PycudaMemory"]


class PycudaMemory:
    """Device memory through `pycuda.driver`, on the primary context of the device."""

    name = "pycuda"

    def __init__(self, device: int = 0) -> None:
        self._cuda = _pycuda()
        self._call(self._cuda.init)
        self._context = self._call(lambda: self._cuda.Device(device).retain_primary_context())

    @contextmanager
    def current(self) -> Iterator[None]:
        self._call(self._context.push)
        try:
            yield
        finally:
            self._call(self._cuda.Context.pop)

    def stream(self) -> Stream:
        return _Stream(self, self._call(self._cuda.Stream))

    def allocate(self, nbytes: int) -> DeviceBlock:
        return _Block(self, self._call(self._cuda.mem_alloc, nbytes))

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        array = self._call(self._cuda.pagelocked_empty, shape, np.dtype(dtype))
        return np.asarray(array)

    def upload(self, block: DeviceBlock, array: NDArray[Any], stream: Stream) -> None:
        source = as_bytes(array)
        self._call(self._cuda.memcpy_htod_async, block.address, source, _raw(stream))

    def download(self, array: NDArray[Any], block: DeviceBlock, stream: Stream) -> None:
        target = as_bytes(array)
        self._call(self._cuda.memcpy_dtoh_async, target, block.address, _raw(stream))

    def close(self) -> None:
        self._call(self._context.detach)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """pycuda's messages read 'cuMemAlloc failed: out of memory'."""
        try:
            return function(*arguments)
        except self._cuda.Error as error:
            call, _, reason = str(error).partition(" failed: ")
            raise cuda_failure(call, reason or str(error)) from error


class _Stream:
    def __init__(self, memory: PycudaMemory, raw: Any) -> None:
        self._memory = memory
        self.raw = raw

    @property
    def handle(self) -> int:
        return int(self.raw.handle)

    def synchronize(self) -> None:
        self._memory._call(self.raw.synchronize)

    def close(self) -> None:
        del self.raw  # pycuda destroys the stream with its object


class _Block:
    def __init__(self, memory: PycudaMemory, raw: Any) -> None:
        self._memory = memory
        self._raw = raw

    @property
    def address(self) -> int:
        return int(self._raw)

    def close(self) -> None:
        self._memory._call(self._raw.free)


def _raw(stream: Stream) -> Any:
    return stream.raw if isinstance(stream, _Stream) else None


def _pycuda() -> Any:
    try:
        import pycuda.driver
    except ImportError as error:  # libcuda.so.1 is missing, or pycuda is
        raise EmbedgeError(
            "E-CUDA-LAYER",
            f"pycuda does not import ({error})",
            remedy="Install pycuda on this device (it needs nvcc and headers), or use"
            " cuda-bindings; embedge doctor shows both",
        ) from error
    return pycuda.driver
