"""Memory and streams of one GPU: what an encoder needs, whichever package provides it.

Five functions make a layer (`stream`, `allocate`, `pinned`, `upload`, `download`); `current` makes
the device's primary context, the one TensorRT uses, current on the calling thread.
"""

from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["CudaMemory", "DeviceBlock", "Stream", "as_bytes"]


class Stream(Protocol):
    """A queue of GPU work; `handle` is the CUstream as a number."""

    @property
    def handle(self) -> int: ...
    def synchronize(self) -> None: ...
    def close(self) -> None: ...


class DeviceBlock(Protocol):
    """A piece of device memory; `address` is what a kernel is given."""

    @property
    def address(self) -> int: ...
    def close(self) -> None: ...


class CudaMemory(Protocol):
    """One device's memory. Every call but `current` is made inside `with memory.current():`."""

    name: str

    def current(self) -> AbstractContextManager[None]: ...
    def stream(self) -> Stream: ...
    def allocate(self, nbytes: int) -> DeviceBlock: ...
    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A host array that the GPU copies from and to without a detour."""
        ...

    def upload(self, block: DeviceBlock, array: NDArray[Any], stream: Stream) -> None: ...
    def download(self, array: NDArray[Any], block: DeviceBlock, stream: Stream) -> None: ...
    def close(self) -> None: ...


def as_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The same memory as flat bytes; a copy here would break asynchronous transfers."""
    if not array.flags.c_contiguous:
        raise ValueError("only contiguous arrays are copied asynchronously")
    return array.reshape(-1).view(np.uint8)
