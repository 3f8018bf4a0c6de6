"""Which TensorRT computes: the version of the loaded library, not of the Python bindings.

A plan belongs to the library that built it. Bindings of another minor version load it all the
same (a wheel for a newer Python beside the libraries of a JetPack), and their own number misleads.
"""

import ctypes
from types import ModuleType

__all__ = ["library_version", "version_text"]

_SONAMES = {"tensorrt_rtx": "libtensorrt_rtx"}


def library_version(trt: ModuleType) -> str:
    """What `getInferLibVersion` says; the bindings' number where no library is found by name."""
    major = str(trt.__version__).partition(".")[0]
    soname = f"{_SONAMES.get(trt.__name__, 'libnvinfer')}.so.{major}"
    try:
        library = ctypes.CDLL(soname)  # the one the bindings loaded already, by its soname
        return version_text(int(library.getInferLibVersion()))
    except (OSError, AttributeError):
        return str(trt.__version__)


def version_text(number: int) -> str:
    """TensorRT 10 and RTX count a major as 10000, older ones as 1000; a minor is 100."""
    if number >= 10_000:
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return f"{number // 1000}.{number // 100 % 10}.{number % 100}" if number else "unknown"
