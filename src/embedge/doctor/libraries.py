"""TensorRT's shared libraries as the loader finds them, whatever Python thinks."""

import ctypes
from dataclasses import dataclass

from embedge.runtime.encoders.tensorrt.api import version_text

__all__ = ["TensorRTLibrary", "tensorrt_libraries"]

_MAJORS = (11, 10, 8)


@dataclass(frozen=True, slots=True)
class TensorRTLibrary:
    """One libnvinfer the loader finds, by its soname and the version it reports."""

    soname: str
    version: str

    @property
    def major(self) -> int:
        return int(self.soname.rpartition(".")[2])


def tensorrt_libraries(majors: tuple[int, ...] = _MAJORS) -> tuple[TensorRTLibrary, ...]:
    found = (_library(f"libnvinfer.so.{major}") for major in majors)
    return tuple(library for library in found if library is not None)


def _library(soname: str) -> TensorRTLibrary | None:
    try:
        library = ctypes.CDLL(soname)
    except OSError:
        return None
    number = int(library.getInferLibVersion()) if hasattr(library, "getInferLibVersion") else 0
    return TensorRTLibrary(soname, version_text(number))
