"""What is installed, for people and for programs."""

import json
import platform

from embedge import __version__
from embedge.doctor.packages import installed

__all__ = ["version_json"]

_PACKAGES = ("numpy", "onnxruntime", "pillow", "cryptography", "onnx", "torch", "tensorrt")


def version_json() -> str:
    """embedge, Python, the machine, and those packages that are installed."""
    facts = {
        "embedge": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": dict(installed(_PACKAGES)),
    }
    return json.dumps(facts)
