"""TensorRT's own log: what it complained about, kept for the error message."""

from types import ModuleType
from typing import Any

__all__ = ["tensorrt_log"]

_KEPT = 200


def tensorrt_log(trt: ModuleType) -> Any:
    """A logger that prints nothing and keeps `errors` and `warnings` (newest last)."""

    class TensorRTLog(trt.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors = [*self.errors, message][-_KEPT:]
            elif severity == trt.ILogger.WARNING:
                self.warnings = [*self.warnings, message][-_KEPT:]

    return TensorRTLog()
