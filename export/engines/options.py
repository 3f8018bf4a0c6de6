"""What may be asked of an engine build."""

from dataclasses import dataclass
from pathlib import Path

from embedge.errors import EmbedgeError

__all__ = ["HARDWARE", "PRECISIONS", "EngineOptions"]

PRECISIONS = ("fp32", "fp16", "int8")
# our word -> member of tensorrt.HardwareCompatibilityLevel
HARDWARE = {"ampere-plus": "AMPERE_PLUS", "same-capability": "SAME_COMPUTE_CAPABILITY"}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`batches` is (smallest, best, largest); three equal numbers fix the shape.

    `timing_cache` is a folder: each device and TensorRT version keeps its own file there.
    `remainder` is the precision of an INT8 network outside its Q/DQ pairs.
    `sms` names compute capabilities for a target that builds ahead of time (rtx).
    """

    precision: str
    target: str = "tensorrt"
    batches: tuple[int, int, int] = (1, 1, 8)
    workspace_mib: int | None = 1024
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware: str | None = None
    dla: int | None = None
    optimisation_level: int | None = None
    tf32: bool = False
    remainder: str = "fp16"
    sms: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise _bad(f"precision {self.precision!r} is unknown", f"one of {PRECISIONS}")
        if self.remainder not in ("fp16", "fp32"):
            raise _bad(f"remainder {self.remainder!r} is unknown", "fp16 or fp32")
        smallest, best, largest = self.batches
        if not 1 <= smallest <= best <= largest:
            raise _bad(f"batches {self.batches} do not rise", "smallest <= best <= largest, from 1")
        if self.hardware is not None and self.hardware not in HARDWARE:
            raise _bad(f"hardware {self.hardware!r} is unknown", f"one of {tuple(HARDWARE)}")
        if self.dla is not None and self.precision == "fp32":
            raise _bad("a DLA does not compute in FP32", "--precision fp16")
        if self.dla is not None and self.precision == "int8":
            raise EmbedgeError(
                "E-ENGINE-OPTION",
                "a DLA takes INT8 by implicit quantisation only (calibrated ranges), and the INT8"
                " graphs here say it with Q and DQ",
                remedy="Give --precision fp16 for the DLA, or leave out --dla to run INT8 on the"
                " GPU",
            )


def _bad(what: str, wanted: str) -> EmbedgeError:
    return EmbedgeError("E-ENGINE-OPTION", what, remedy=f"Give {wanted}")
