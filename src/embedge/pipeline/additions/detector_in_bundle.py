"""Put a face detector into a bundle, so that whoever has the bundle needs nothing else."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from embedge.errors import EmbedgeError
from embedge.files import sha256_file
from embedge.pipeline.additions.rewriting import rewritten, writable
from embedge.report.gate.defaults import DETECTOR_SCORE, DETECTOR_SIZE
from embedge.runtime.bundle.manifest import BundledDetector
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector

__all__ = ["detector_into_bundle", "detector_kind"]

_FILE = "detector.onnx"


def detector_into_bundle(
    folder: Path,
    detector: Path,
    *,
    size: int = DETECTOR_SIZE,
    score: float = DETECTOR_SCORE,
    licence: str | None = None,
    drop_signature: bool = False,
) -> str:
    """The bundle is replaced whole, or left as it is. Says which kind of detector it was."""
    kind = detector_kind(detector, size, score)
    with writable(folder, "a detector", drop_signature=drop_signature) as bundle:
        stated = {"detector": asdict(BundledDetector(_FILE, (size,), score))}
        told = {"kind": kind, "sha256": sha256_file(detector), "licence": licence}
        rewritten(folder, bundle, {_FILE: detector}, provenance={"detector": told}, extras=stated)
    return kind


def detector_kind(detector: Path, size: int = DETECTOR_SIZE, score: float = DETECTOR_SCORE) -> str:
    """It is opened and asked once: a wrong file is told here, not at the door."""
    if not detector.is_file():
        raise EmbedgeError(
            "E-DETECTOR",
            "there is no such detector",
            where=detector,
            remedy="Check the path; docs/detectors.md says where to get one",
        )
    with OnnxDetector(detector, sizes=(size,), score=score) as opened:
        opened.detect(np.full((size, size, 3), 127, np.uint8))
        return opened.head
