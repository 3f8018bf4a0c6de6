"""What is installed, for people and for programs."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

from embedge import __version__

__all__ = ["version_json"]

_PACKAGES = ("numpy", "onnxruntime", "pillow", "cryptography", "onnx", "torch", "tensorrt")


def version_json() -> str:
    """embedge, Python, the machine, and those packages that are installed."""
    facts = {
        "embedge": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }
    return json.dumps(facts)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
