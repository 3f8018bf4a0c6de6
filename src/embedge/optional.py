"""Optional packages: one place that says which extra brings what."""

import importlib
from types import ModuleType

from embedge.errors import EmbedgeError


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EmbedgeError(
            "E-EXTRA",
            f"this needs the Python package '{module.partition('.')[0]}', which did not import"
            f" ({error})",
            remedy=f"Install it with: pip install 'embedge[{extra}]'",
        ) from error


def available(module: str) -> bool:
    """Whether a module imports here; a broken install counts as absent."""
    try:
        importlib.import_module(module)
    except Exception:  # a half-installed CUDA package raises whatever it likes
        return False
    return True
