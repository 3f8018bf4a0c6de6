"""The fake TensorRT's enumerations, with the members of the generation asked for."""

import enum
import os
from collections.abc import Iterable
from typing import Any

GENERATION = int(os.environ.get("FAKE_TENSORRT", "10"))


def _enum(name: str, members: Iterable[str]) -> Any:
    return enum.IntEnum(name, {member: value for value, member in enumerate(members)})


_WEAK = ["FP16", "INT8"] if GENERATION < 11 else []
_NEW = ["VERSION_COMPATIBLE"] if GENERATION > 8 else []
BuilderFlag = _enum("BuilderFlag", ["TF32", "GPU_FALLBACK", *_WEAK, *_NEW])
_KINDS = {8: ["EXPLICIT_BATCH"], 10: ["EXPLICIT_BATCH", "STRONGLY_TYPED"], 11: ["STRONGLY_TYPED"]}
NetworkDefinitionCreationFlag = _enum("NetworkDefinitionCreationFlag", _KINDS[GENERATION])
ProfilingVerbosity = _enum("ProfilingVerbosity", ["LAYER_NAMES_ONLY", "NONE", "DETAILED"])
MemoryPoolType = _enum("MemoryPoolType", ["WORKSPACE"])
DeviceType = _enum("DeviceType", ["GPU", "DLA"])
_WIDE = ["INT64"] if GENERATION > 8 else []
DataType = _enum("DataType", ["FLOAT", "HALF", "INT8", "INT32", "BOOL", "UINT8", *_WIDE])
TensorIOMode = _enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
LayerInformationFormat = _enum("LayerInformationFormat", ["ONELINE", "JSON"])
if GENERATION > 8:
    HardwareCompatibilityLevel = _enum("HardwareCompatibilityLevel", ["NONE", "AMPERE_PLUS"])
_FROM_ONNX = {1: "FLOAT", 10: "HALF", 3: "INT8", 6: "INT32", 9: "BOOL", 2: "UINT8"}
_FROM_ONNX[7] = "INT64" if GENERATION > 8 else "INT32"


def dtype(elem_type: int) -> Any:
    return DataType[_FROM_ONNX[elem_type]]
