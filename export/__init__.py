"""Student to artifact: ONNX graphs, INT8, engines.

The names below are imported when they are first used.
"""

from typing import TYPE_CHECKING

from embedge import named_in

__all__ = [
    "EngineOptions",
    "engine_from_onnx",
    "engines_available",
    "fp16_from_onnx",
    "onnx_from_student",
    "qdq_from_onnx",
]

if TYPE_CHECKING:
    from embedge.export.engines.build import engine_from_onnx, engines_available
    from embedge.export.engines.options import EngineOptions
    from embedge.export.fp16 import fp16_from_onnx
    from embedge.export.int8.qdq import qdq_from_onnx
    from embedge.export.student import onnx_from_student
else:  # a type checker that saw this would take every name for one, of any type
    _HOMES = {
        "student": "onnx_from_student",
        "fp16": "fp16_from_onnx",
        "int8.qdq": "qdq_from_onnx",
        "engines.build": "engine_from_onnx engines_available",
        "engines.options": "EngineOptions",
    }
    __getattr__ = named_in(__name__, _HOMES)
