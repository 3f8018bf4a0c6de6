"""Can engines be built here? A cheap answer, in one line a report can print."""

import importlib.util

from embedge.runtime.encoders.tensorrt.api import MODULES
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver

__all__ = ["engines_available"]


def engines_available(target: str = "tensorrt") -> str | None:
    """None when engines can be built here, else the reason why they are skipped."""
    if not any(importlib.util.find_spec(name) for name in MODULES[target]):
        return f"{MODULES[target][0]} is not installed"
    if target == "rtx":  # builds ahead of time, on any x86-64 CPU
        return None
    return cuda_driver().problem
