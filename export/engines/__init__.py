"""Engines: machine code for one device, built from the bundle's ONNX graphs."""

from embedge.export.engines.build import engine_from_onnx, engines_available
from embedge.export.engines.options import EngineOptions

__all__ = ["EngineOptions", "engine_from_onnx", "engines_available"]
