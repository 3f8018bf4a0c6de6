"""The device runtime: numpy, onnxruntime, pillow (and cryptography for galleries), nothing else.

The public names below are imported when they are first used, so `import embedge.runtime` is free.
"""

import os
from typing import TYPE_CHECKING

from embedge import named_in
from embedge.errors import EmbedgeError

# onnxruntime reads this once, at import: it must be set before anybody imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "NIST_800_63B",
    "Artifact",
    "AttemptGuard",
    "Bundle",
    "Choice",
    "Colour",
    "Detector",
    "EmbeddingContract",
    "EmbedgeError",
    "Face",
    "FaceMatcher",
    "FaceRefused",
    "Gallery",
    "Identification",
    "MilvusGallery",
    "OnnxDetector",
    "OrtEncoder",
    "Picture",
    "Policy",
    "Quality",
    "QualityLimits",
    "Ranked",
    "ReadFace",
    "SeenFace",
    "SelfTest",
    "Threshold",
    "Verification",
    "golden_of",
    "identify",
    "identify_all",
    "key_from_file",
    "self_test",
    "write_bundle",
]

if TYPE_CHECKING:
    from embedge.runtime.bundle.bundle import Artifact, Bundle
    from embedge.runtime.bundle.writer import write_bundle
    from embedge.runtime.contract import EmbeddingContract
    from embedge.runtime.encoders.ort import OrtEncoder
    from embedge.runtime.gallery.attempts import AttemptGuard
    from embedge.runtime.gallery.gallery import Gallery
    from embedge.runtime.gallery.keys import key_from_file
    from embedge.runtime.gallery.milvus import MilvusGallery
    from embedge.runtime.gallery.search.ranking import Ranked
    from embedge.runtime.identification import Identification, SeenFace, identify, identify_all
    from embedge.runtime.matcher import FaceMatcher, Verification
    from embedge.runtime.picture.detect import Choice, Detector, Face
    from embedge.runtime.picture.detect.onnx_detector import OnnxDetector
    from embedge.runtime.picture.face_crop import ReadFace
    from embedge.runtime.picture.images import Colour, Picture
    from embedge.runtime.picture.quality import FaceRefused, Quality, QualityLimits
    from embedge.runtime.policy import NIST_800_63B, Policy
    from embedge.runtime.selftest.result import SelfTest
    from embedge.runtime.selftest.selftest import golden_of, self_test
    from embedge.runtime.threshold import Threshold
else:  # a type checker that saw this would take every name for one, of any type
    _HOMES = {
        "bundle.bundle": "Artifact Bundle",
        "bundle.writer": "write_bundle",
        "contract": "EmbeddingContract",
        "gallery.gallery": "Gallery",
        "gallery.keys": "key_from_file",
        "gallery.search.ranking": "Ranked",
        "identification": "Identification SeenFace identify identify_all",
        "picture.detect": "Choice Detector Face",
        "picture.detect.onnx_detector": "OnnxDetector",
        "picture.face_crop": "ReadFace",
        "picture.images": "Colour Picture",
        "picture.quality": "FaceRefused Quality QualityLimits",
        "policy": "NIST_800_63B Policy",
        "encoders.ort": "OrtEncoder",
        "matcher": "FaceMatcher Verification",
        "selftest.result": "SelfTest",
        "selftest.selftest": "golden_of self_test",
        "threshold": "Threshold",
        "gallery.attempts": "AttemptGuard",
        "gallery.milvus": "MilvusGallery",
    }

    __getattr__ = named_in(__name__, _HOMES)

    def __dir__():
        return sorted(__all__)
