"""Engine inspector -> which layers run in INT8 or FP16, and where tensors are reformatted."""

import json
import re
from collections import Counter
from types import ModuleType
from typing import Any

__all__ = ["inspected_layers", "layer_summary"]

# words of the inspector's "Format/Datatype", old and new; the order decides (INT8 before FP32)
_DATATYPES = (
    ("INT8", r"int8"),
    ("FP8", r"fp8"),
    ("BF16", r"bf16|bfloat16"),
    ("FP16", r"fp16|half"),
    ("INT32", r"int32|int64"),
    ("FP32", r"fp32|float"),
)


def inspected_layers(trt: ModuleType, engine: Any, batch: int) -> list[Any]:
    """The inspector's layers as parsed JSON; plain names where the plan kept no details.

    Of a range of batches the shapes are told for `batch`; without one they would be N/A.
    """
    inspector = engine.create_engine_inspector()
    image = engine.get_tensor_name(0)
    smallest, *rest = engine.get_tensor_shape(image)
    if smallest == -1:
        context = engine.create_execution_context()
        context.set_input_shape(image, (batch, *rest))
        inspector.execution_context = context
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    return list(json.loads(text)["Layers"])


def layer_summary(layers: list[Any]) -> dict[str, Any]:
    """Count layers by the type they compute in, and name the reformats and the FP32 rest."""
    detailed = [layer for layer in layers if isinstance(layer, dict)]
    reformats = [layer["Name"] for layer in detailed if _is_reformat(layer)]
    working = [layer for layer in detailed if not _is_reformat(layer)]
    types = {layer["Name"]: _datatype(layer) for layer in working}
    return {
        "layers": len(layers),
        "by_type": dict(sorted(Counter(types.values()).items())),
        "fp32": sorted(name for name, kind in types.items() if kind == "FP32"),
        "reformats": reformats,
        "without_details": len(layers) - len(detailed),
    }


def _is_reformat(layer: dict[str, Any]) -> bool:
    return layer.get("LayerType") in ("Reformat", "NoOp") or layer.get("Origin") == "REFORMAT"


def _datatype(layer: dict[str, Any]) -> str:
    """A layer computes in the type of its first input: that is what its kernel reads."""
    tensors = layer.get("Inputs") or layer.get("Outputs") or []
    text = tensors[0].get("Format/Datatype", "") if tensors else ""
    for name, pattern in _DATATYPES:
        if re.search(pattern, text, re.IGNORECASE):
            return name
    return "unknown"
