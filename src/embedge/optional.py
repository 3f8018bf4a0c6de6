"""Optional packages: one place that says which extra brings what."""

import importlib
from types import ModuleType

from embedge.errors import EmbedgeError

_WORKSHOP = {
    "jinja2",
    "matplotlib",
    "onnx",
    "pydantic",
    "rich",
    "safetensors",
    "simplejpeg",
    "torch",
    "yaml",
}


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _absent(module, error, extra) from error


_ROOMS_OF_THE_WORKSHOP = ("embedge.export", "embedge.pipeline", "embedge.train")


def absent_package(error: ImportError) -> EmbedgeError | None:
    """What to say of a workshop's package that a command imports as a matter of course."""
    if (error.name or "").startswith(_ROOMS_OF_THE_WORKSHOP):
        return EmbedgeError(
            "E-EXTRA",
            "this is the device's share of embedge (embedge-runtime), without the workshop",
            remedy="Do this on another machine, after: pip install 'embedge[train,export]'",
        )
    known = error.name and error.name.partition(".")[0] in _WORKSHOP
    return _absent(error.name or "", error, "train,export") if known else None


def _absent(module: str, error: ImportError, extra: str) -> EmbedgeError:
    return EmbedgeError(
        "E-EXTRA",
        f"this needs the Python package '{module.partition('.')[0]}', which did not import"
        f" ({error})",
        remedy=f"Install it with: pip install 'embedge[{extra}]'",
    )


def available(module: str) -> bool:
    """Whether a module imports here; a broken install counts as absent."""
    try:
        importlib.import_module(module)
    except Exception:  # a half-installed CUDA package raises whatever it likes
        return False
    return True
