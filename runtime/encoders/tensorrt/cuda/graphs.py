"""CUDA graphs: record a stream's work once, launch it with one call.

Asked of the driver's C interface directly, because pycuda has no graphs; only a stream's handle is
needed, so both memory layers share it.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from embedge.runtime.encoders.tensorrt.cuda.failures import cuda_failure

__all__ = ["CudaGraph", "captured"]

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads' encoders are not disturbed


class CudaGraph:
    """An executable graph; launching it repeats the recorded work on the recorded addresses."""

    def __init__(self, driver: ctypes.CDLL, executable: ctypes.c_void_p) -> None:
        self._driver = driver
        self._executable = executable

    def launch(self, stream: int) -> None:
        _call(self._driver, "cuGraphLaunch", self._executable, ctypes.c_void_p(stream))

    def close(self) -> None:
        _call(self._driver, "cuGraphExecDestroy", self._executable)


def captured(work: Callable[[], None], stream: int, library: str = "libcuda.so.1") -> CudaGraph:
    """Record what `work` enqueues on the stream. Nothing runs until the graph is launched."""
    driver = ctypes.CDLL(library)
    graph = ctypes.c_void_p()
    _call(driver, "cuStreamBeginCapture_v2", ctypes.c_void_p(stream), _THREAD_LOCAL)
    try:
        work()
    except BaseException:  # a capture left open would poison the stream
        driver.cuStreamEndCapture(ctypes.c_void_p(stream), ctypes.byref(graph))
        if graph:
            driver.cuGraphDestroy(graph)
        raise
    _call(driver, "cuStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
    executable = ctypes.c_void_p()
    try:
        _call(driver, "cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, _FLAGS)
    finally:
        _call(driver, "cuGraphDestroy", graph)
    return CudaGraph(driver, executable)


_FLAGS = ctypes.c_ulonglong(0)


def _call(driver: ctypes.CDLL, name: str, *arguments: Any) -> None:
    _check(driver, name, getattr(driver, name)(*arguments))


def _check(driver: ctypes.CDLL, name: str, status: int) -> None:
    if status:
        text = ctypes.c_char_p()
        driver.cuGetErrorString(status, ctypes.byref(text))
        raise cuda_failure(name, (text.value or b"unknown error").decode())
