"""What is asked for where nobody says more: one source for recipe, commands and gates."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "CALIBRATION_PICTURES",
    "COSINE_P1",
    "CROSS_SPACE_TAR",
    "DETECTOR_SCORE",
    "DETECTOR_SIZE",
    "EER",
    "FMR",
    "FMRS",
    "INT8_COSINE_P1",
    "TAR_LOSS",
]

FMRS: Final = (1e-2, 1e-3, 1e-4)  # that TAR is told at
FMR: Final = 1e-3  # that thresholds keep, and that gates look at
EER: Final = 0.05
TAR_LOSS: Final = 0.01
CROSS_SPACE_TAR: Final = 0.8  # of a student that shares its teacher's space
INT8_COSINE_P1: Final = 0.95
COSINE_P1: Final[Mapping[str, float]] = MappingProxyType(
    {
        "fp32": 0.9999,
        "fp16": 0.999,
        "int8-cpu": INT8_COSINE_P1,
        "int8-trt": INT8_COSINE_P1,
        "int8-openvino": INT8_COSINE_P1,
        "int8-qdq": INT8_COSINE_P1,
    }
)
CALIBRATION_PICTURES: Final = 256
DETECTOR_SIZE: Final = 640  # pixels a side
DETECTOR_SCORE: Final = 0.5  # least of a face
