"""TensorRT's INT8 calibration cache (versions up to 10), written from our own ranges.

A text file: one header line, then `TENSOR: HEX` per tensor, HEX being the big-endian bits of
the float32 step between two codes (bound / 127). A builder that finds a tensor here asks no
calibrator. Documented in docs/reference/calibration-cache.md.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.export.int8.ranges import Range
from embedge.files import write_text

__all__ = ["calibration_cache", "read_calibration_cache", "write_calibration_cache"]

_ALGORITHM = "EntropyCalibration2"


def calibration_cache(ranges: Mapping[str, Range], *, tensorrt: str = "8.6.1") -> str:
    """The text of the cache for a TensorRT version such as "8.6.1" or "10.3.0"."""
    version = "".join(part.zfill(1) for part in tensorrt.split(".")[:3])
    lines = [f"TRT-{version}-{_ALGORITHM}"]
    lines += [f"{name}: {_hex(bounds.bound / 127)}" for name, bounds in sorted(ranges.items())]
    return "\n".join(lines) + "\n"


def write_calibration_cache(
    path: Path, ranges: Mapping[str, Range], *, tensorrt: str = "8.6.1"
) -> None:
    write_text(path, calibration_cache(ranges, tensorrt=tensorrt))


def read_calibration_cache(text: str) -> dict[str, float]:
    """Step per tensor."""
    header, *lines = text.splitlines() or [""]
    if not header.startswith("TRT-"):
        raise EmbedgeError(
            "E-CALIBRATION",
            f"this is no TensorRT calibration cache: it begins with {header[:40]!r}",
            remedy="Write it again: embedge quantize MODEL.onnx --cache FILE",
        )
    pairs = (line.rpartition(": ") for line in lines if line.strip())
    return {name: _float(code) for name, _, code in pairs}


def _hex(step: float) -> str:
    return struct.pack(">f", step).hex()


def _float(code: str) -> float:
    return float(struct.unpack(">f", bytes.fromhex(code))[0])
