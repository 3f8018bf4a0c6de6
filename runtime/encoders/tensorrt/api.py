"""Which TensorRT is here. Only this module imports it: one API under three package names.

A plan belongs to the library that built it. Bindings of another minor version load it all the
same (a wheel for a newer Python beside the libraries of a JetPack), and their own number misleads.
"""

import ctypes
import importlib
import importlib.util
from types import ModuleType

from embedge.errors import EmbedgeError

__all__ = ["MODULES", "library_version", "tensorrt_module", "version_text"]

# `tensorrt` re-exports `tensorrt_bindings`; bindings installed alone (JetPack) have no `tensorrt`.
MODULES = {"tensorrt": ("tensorrt", "tensorrt_bindings"), "rtx": ("tensorrt_rtx",)}
_SONAMES = {"tensorrt_rtx": "libtensorrt_rtx"}

_INSTALL = {
    "tensorrt": "Install TensorRT: pip install 'embedge[tensorrt]', or see docs/jetson.md for a"
    " Jetson",
    "rtx": "Install it: pip install 'embedge[rtx]'",
}


def tensorrt_module(target: str = "tensorrt") -> ModuleType:
    """Import TensorRT for a target, or say what is missing; named tensors (8.5) are the floor."""
    if target not in MODULES:
        raise EmbedgeError(
            "E-TRT-MISSING",
            f"there is no TensorRT for the target {target!r}",
            remedy=f"Choose one of {', '.join(MODULES)}",
        )
    found = [name for name in MODULES[target] if importlib.util.find_spec(name)]
    if not found:
        raise EmbedgeError(
            "E-TRT-MISSING",
            f"TensorRT is not installed (no Python package {' or '.join(MODULES[target])})",
            remedy=_INSTALL[target],
        )
    try:
        module = importlib.import_module(found[0])
    except Exception as error:  # bindings without libraries raise whatever the loader raises
        raise EmbedgeError(
            "E-TRT-BROKEN",
            f"the Python package {found[0]} is there but does not import ({error})",
            remedy="Run embedge doctor: it tells missing libraries from mismatched versions",
        ) from error
    _require_named_tensors(module)
    return module


def _require_named_tensors(module: ModuleType) -> None:
    if hasattr(module.IExecutionContext, "execute_async_v3"):
        return
    raise EmbedgeError(
        "E-TRT-OLD",
        f"TensorRT {module.__version__} has no execute_async_v3: this is older than 8.5",
        remedy="Update to JetPack 5.1 (TensorRT 8.5) or newer",
    )


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
