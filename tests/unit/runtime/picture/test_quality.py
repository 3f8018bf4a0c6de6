"""Quality: what is measured, and which reason each fault gives."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_contract
from tiny_detectors import constant_onnx, yunet_outputs

from embedge.errors import EmbedgeError
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.detect import Choice
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector
from embedge.runtime.picture.face_crop import FaceReader
from embedge.runtime.picture.quality import (
    FaceRefused,
    Quality,
    QualityLimits,
    Reason,
    measured_quality,
)

TEMPLATE = np.array(ARCFACE_112)
LIMITS = QualityLimits()
CRISP = np.random.default_rng(0).integers(60, 200, (112, 112, 3)).astype(np.uint8)


def head(yaw: float = 0, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """Five points of a mean head, turned by these angles and seen from afar."""
    points = np.array(
        [[-0.5, 0, 0], [0.5, 0, 0], [0, 0.57, -0.6], [-0.42, 1.15, 0], [0.42, 1.15, 0]]
    )
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (points @ (about_z @ about_x @ about_y).T)[:, :2] * 60 + 100


def test_a_good_face_has_no_reasons() -> None:
    quality = measured_quality(CRISP, head(), 0.9)
    assert LIMITS.reasons(quality) == ()
    assert quality.eye_distance == pytest.approx(60)
    assert abs(quality.yaw) < 1
    assert abs(quality.roll) < 1


@pytest.mark.parametrize("angle", [-45, -20, 20, 45])
def test_angles_are_roughly_right(angle: int) -> None:
    assert measured_quality(CRISP, head(yaw=angle)).yaw == pytest.approx(angle, abs=8)
    assert measured_quality(CRISP, head(roll=angle)).roll == pytest.approx(angle, abs=1)
    assert measured_quality(CRISP, head(roll=angle)).yaw == pytest.approx(0, abs=1)
    pitch = measured_quality(CRISP, head(pitch=angle)).pitch
    assert np.sign(pitch) == np.sign(angle)
    assert abs(pitch) > abs(measured_quality(CRISP, head()).pitch) + 5


@pytest.mark.parametrize(
    ("crop", "landmarks", "detection", "reason"),
    [
        (CRISP, TEMPLATE * 0.3, 0.9, Reason.SMALL),
        (face_like(1), None, None, Reason.BLURRED),
        (CRISP // 8, None, None, Reason.DARK),
        (255 - CRISP // 8, None, None, Reason.BRIGHT),
        (100 + CRISP // 40, None, None, Reason.FLAT),
        (CRISP, head(yaw=75), 0.9, Reason.POSE),
        (CRISP, head(roll=90), 0.9, Reason.POSE),
        (CRISP, head(), 0.2, Reason.UNSURE),
    ],
)
def test_each_fault_has_its_reason(
    crop: np.ndarray, landmarks: np.ndarray | None, detection: float | None, reason: Reason
) -> None:
    assert reason in LIMITS.reasons(measured_quality(crop, landmarks, detection))


def test_what_cannot_be_measured_is_not_good_enough() -> None:
    blank = Quality(sharpness=float("nan"), brightness=float("nan"), contrast=float("nan"))
    assert set(LIMITS.reasons(blank)) == {Reason.BLURRED, Reason.DARK, Reason.FLAT}


def test_limits_travel_as_json() -> None:
    assert QualityLimits.from_json(LIMITS.to_json()) == LIMITS
    for broken in ({}, {**LIMITS.to_json(), "more": 1}, None):
        with pytest.raises(EmbedgeError, match="E-BUNDLE"):
            QualityLimits.from_json(broken)


def test_a_refusal_carries_reasons_and_survives_pickling() -> None:
    refusal = FaceRefused((Reason.DARK,), measured_quality(CRISP), "door.jpg")
    copy = pickle.loads(pickle.dumps(refusal))
    assert str(copy) == str(refusal)
    assert copy.reasons == (Reason.DARK,)


def scene_detector(*faces: tuple[np.ndarray, np.ndarray, float]) -> OnnxDetector:
    return OnnxDetector(constant_onnx(yunet_outputs(list(faces))))


def planted(
    left: float, top: float, size: float, score: float = 0.9
) -> tuple[np.ndarray, np.ndarray, float]:
    box = np.array([left, top, left + size, top + size], float)
    return box, box[:2] + TEMPLATE * size / 112, score


def test_the_reader_cuts_the_one_face_that_is_meant() -> None:
    scene = np.random.default_rng(1).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    contract = tiny_contract()
    one = FaceReader(contract, scene_detector(planted(8, 8, 112)))
    face = one.read(scene)
    assert np.abs(face.crop.astype(int) - scene[8:120, 8:120]).max() <= 1
    assert face.face.score == pytest.approx(0.9)
    both = scene_detector(planted(10, 10, 40), planted(60, 60, 60))
    with pytest.raises(EmbedgeError, match="E-FACES"):
        FaceReader(contract, both).read(scene)
    largest = FaceReader(contract, both, Choice.LARGEST).read(scene)
    assert largest.face.box[0] == pytest.approx(60, abs=0.01)
    with pytest.raises(EmbedgeError, match="E-NO-FACE"):
        FaceReader(contract, scene_detector()).read(scene)


def test_the_reader_refuses_a_bad_face_and_names_the_file(tmp_path: Path) -> None:
    dark = np.random.default_rng(1).integers(0, 20, (128, 128, 3)).astype(np.uint8)
    Image.fromarray(dark).save(tmp_path / "night.png")
    reader = FaceReader(tiny_contract(), scene_detector(planted(8, 8, 30)), limits=LIMITS)
    with pytest.raises(FaceRefused, match=r"E-QUALITY.*night\.png") as caught:
        reader.read(tmp_path / "night.png")
    assert {Reason.DARK, Reason.SMALL} <= set(caught.value.reasons)
    with pytest.raises(EmbedgeError, match=r"E-NOT-ALIGNED.*night\.png"):
        FaceReader(tiny_contract()).read(tmp_path / "night.png")


def same(picture: np.ndarray, reader: FaceReader, **declared: Any) -> bool:
    return np.array_equal(reader.read(picture, **declared).crop, picture)


def test_with_a_detector_a_face_is_looked_for_in_every_picture() -> None:
    blind = FaceReader(tiny_contract(), scene_detector())
    with pytest.raises(EmbedgeError, match="E-NO-FACE"):
        blind.read(CRISP)
    assert same(CRISP, blind, aligned=True)
    assert same(CRISP, replace(blind, aligned=True))
    assert same(CRISP, replace(blind, require_detection=False))
    with pytest.raises(EmbedgeError, match="E-NO-FACE"):
        replace(blind, aligned=True).read(CRISP, aligned=False)


def test_without_one_only_a_crop_can_be_meant_unless_detection_is_required() -> None:
    plain = FaceReader(tiny_contract())
    assert same(CRISP, plain)
    strict = replace(plain, require_detection=True)
    with pytest.raises(EmbedgeError, match=r"E-NOT-ALIGNED.*no detector"):
        strict.read(CRISP)
    assert same(CRISP, strict, aligned=True)


def test_a_declared_crop_has_the_size_of_a_crop() -> None:
    with pytest.raises(EmbedgeError, match=r"E-NOT-ALIGNED.*128×128"):
        FaceReader(tiny_contract(), scene_detector()).read(
            np.zeros((128, 128, 3), np.uint8), aligned=True
        )


def test_a_picture_of_one_brightness_shows_no_face() -> None:
    noise = np.random.default_rng(0).integers(-1, 2, (112, 112, 3))
    for level in (2, 127, 253):
        with pytest.raises(EmbedgeError, match=r"E-NO-FACE.*one brightness"):
            FaceReader(tiny_contract()).read((level + noise).astype(np.uint8))


def test_a_detector_without_landmarks_cannot_align() -> None:
    from tiny_detectors import scrfd_outputs

    model = constant_onnx(scrfd_outputs([planted(8, 8, 112)], landmarks=False))
    with pytest.raises(EmbedgeError, match="E-NO-LANDMARKS"):
        FaceReader(tiny_contract(), OnnxDetector(model)).read(np.zeros((128, 128, 3), np.uint8))


def test_insightfaces_analysis_may_be_given_as_it_is() -> None:
    from embedge.runtime.picture.detect.insightface import FaceAnalysisDetector
    from embedge.runtime.picture.face_crop import detector_from

    class Analysis:
        det_model = None

    analysis: Any = Analysis()
    assert isinstance(detector_from(analysis), FaceAnalysisDetector)
    detector = scene_detector()
    assert detector_from(detector) is detector
