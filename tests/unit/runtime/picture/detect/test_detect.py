"""Detectors: every head finds what was planted; anything else is refused by name and shape."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from shared_encoder import closes_under_running_calls
from tiny_detectors import constant_onnx, retinaface_outputs, scrfd_outputs, yunet_outputs

from embedge.errors import EmbedgeError
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.detect import Choice, Face, chosen_face
from embedge.runtime.picture.detect.candidates import Candidates, suppressed
from embedge.runtime.picture.detect.insightface import FaceAnalysisDetector
from embedge.runtime.picture.detect.onnx_detector import OnnxDetector, letterbox

TEMPLATE = np.array(ARCFACE_112)
PICTURE = np.full((128, 128, 3), 90, np.uint8)


def planted(
    left: float, top: float, size: float, score: float
) -> tuple[np.ndarray, np.ndarray, float]:
    box = np.array([left, top, left + size, top + size], float)
    return box, box[:2] + TEMPLATE * size / 112, score


TWO = [planted(17.3, 20.5, 40, 0.9), planted(70, 61.25, 30, 0.7)]
HEADS = {
    "scrfd 9 outputs, rank 2": scrfd_outputs(TWO),
    "scrfd 9 outputs, rank 3": scrfd_outputs(TWO, rank=3),
    "scrfd 15 outputs": scrfd_outputs(TWO, levels=5),
    "yunet": yunet_outputs(TWO),
    "retinaface": retinaface_outputs(TWO),
    "retinaface logits": retinaface_outputs(TWO, logits=True),
}


@pytest.mark.parametrize("name", HEADS)
def test_planted_faces_are_found_where_they_were_planted(name: str) -> None:
    with OnnxDetector(constant_onnx(HEADS[name])) as detector:
        assert detector.head.lower() == name.split()[0]
        faces = detector.detect(PICTURE)
    assert [round(face.score, 3) for face in faces] == [0.9, 0.7]
    for face, (box, points, _) in zip(faces, TWO):
        assert np.abs(np.array(face.box) - box).max() < 1e-3
        assert np.abs(face.landmarks - points).max() < 1e-3


@pytest.mark.parametrize(("levels", "outputs"), [(3, 6), (5, 10)])
def test_scrfd_without_landmarks(levels: int, outputs: int) -> None:
    planted_outputs = scrfd_outputs(TWO, levels=levels, landmarks=False)
    assert len(planted_outputs) == outputs
    faces = OnnxDetector(constant_onnx(planted_outputs)).detect(PICTURE)
    assert len(faces) == 2
    assert faces[0].landmarks is None


def test_the_order_of_outputs_does_not_matter() -> None:
    shuffled = dict(sorted(scrfd_outputs(TWO).items(), key=lambda item: item[0][::-1]))
    assert list(shuffled) != list(scrfd_outputs(TWO))
    faces = OnnxDetector(constant_onnx(shuffled)).detect(PICTURE)
    assert np.abs(faces[0].landmarks - TWO[0][1]).max() < 1e-3


def test_coordinates_are_those_of_the_picture() -> None:
    large = np.zeros((512, 256, 3), np.uint8)
    face = OnnxDetector(constant_onnx(HEADS["yunet"])).detect(large)[0]
    assert np.abs(np.array(face.box) - TWO[0][0] * 4).max() < 1e-2


def test_score_and_overlap_thresholds() -> None:
    assert len(OnnxDetector(constant_onnx(HEADS["yunet"]), score=0.8).detect(PICTURE)) == 1
    twins = [planted(20, 20, 40, 0.9), planted(29, 20, 40, 0.8)]
    model = constant_onnx(yunet_outputs(twins))
    assert len(OnnxDetector(model, overlap=0.4).detect(PICTURE)) == 1
    assert len(OnnxDetector(model, overlap=0.7).detect(PICTURE)) == 2


def test_dynamic_inputs_run_one_pass_per_size() -> None:
    outputs = yunet_outputs([planted(17, 20, 40, 0.9)])
    loose = {name: ["n", "rows", value.shape[-1]] for name, value in outputs.items()}
    model = constant_onnx(outputs, ("n", 3, "h", "w"), loose)
    assert len(OnnxDetector(model, sizes=(128, 128)).detect(PICTURE)) == 1
    with pytest.raises(EmbedgeError, match=r"E-DETECTOR.*shape"):  # rows of another size
        OnnxDetector(model, sizes=(256,)).detect(PICTURE)
    with pytest.raises(EmbedgeError, match=r"E-DETECTOR.*multiple of 32"):
        OnnxDetector(model, sizes=(100,))
    with pytest.raises(EmbedgeError, match=r"E-DETECTOR.*more pixels"):
        OnnxDetector(model, sizes=(4096, 32))


def spoilt(outputs: dict, name: str, change: Callable[[np.ndarray], np.ndarray]) -> dict:
    return {key: change(value) if key == name else value for key, value in outputs.items()}


@pytest.mark.parametrize(
    "outputs",
    [
        {"embedding": np.zeros((1, 512))},
        {"a": np.zeros((1, 10, 4)), "b": np.zeros((1, 10, 4)), "c": np.zeros((1, 10, 4))},
        dict(list(scrfd_outputs(TWO).items())[:8]),
        spoilt(yunet_outputs(TWO), "kps_16", lambda value: value[..., :8]),
        spoilt(yunet_outputs(TWO), "kps_16", lambda value: value[:, :-1]),
        spoilt(scrfd_outputs(TWO), "s1", lambda value: value[:-1]),
        spoilt(scrfd_outputs(TWO), "s1", lambda value: value + 7),
        spoilt(retinaface_outputs(TWO), "loc", lambda value: value[:, :-1]),
        spoilt(scrfd_outputs(TWO), "b0", lambda value: value[:, :, None]),
    ],
)
def test_what_is_no_detector_is_refused(outputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(EmbedgeError, match="E-DETECTOR"):
        OnnxDetector(constant_onnx(outputs)).detect(PICTURE)


def test_inputs_that_cannot_be_fed_are_refused() -> None:
    for shape in ((1, 1, 128, 128), (2, 3, 128, 128), (1, 3, 100, 100), (1, 3, 128)):
        with pytest.raises(EmbedgeError, match="E-DETECTOR"):
            OnnxDetector(constant_onnx(yunet_outputs(TWO), shape))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_absurd_numbers_are_no_faces(value: float) -> None:
    for kind, outputs in (("bbox_8", yunet_outputs(TWO)), ("kps_8", yunet_outputs(TWO))):
        absurd = spoilt(outputs, kind, lambda rows: np.full_like(rows, value))
        for face in OnnxDetector(constant_onnx(absurd)).detect(PICTURE):
            assert np.isfinite(face.box).all()
            assert np.isfinite(face.landmarks).all()


def test_the_policy_for_several_faces() -> None:
    small = Face((0, 0, 10, 10), 0.9, None)
    large = Face((0, 0, 30, 30), 0.6, None)
    middle = (9.0, 9.0)
    assert chosen_face([small], Choice.ONE, middle) is small
    assert chosen_face([small, large], Choice.LARGEST, middle) is large
    assert chosen_face([large, small], Choice.CENTRAL, middle) is small
    with pytest.raises(EmbedgeError, match=r"E-FACES.*2 faces"):
        chosen_face([small, large], Choice.ONE, middle)
    with pytest.raises(EmbedgeError, match="E-NO-FACE"):
        chosen_face([], Choice.LARGEST, middle)


def test_suppression_equals_the_naive_one() -> None:
    random = np.random.default_rng(0)
    corner = random.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 40, (80, 2))], axis=1)
    scores = random.permutation(80) / 80
    kept: list[int] = []
    for i in np.argsort(-scores):

        def overlap(j: int, i: int = i) -> float:
            low, high = (
                np.maximum(boxes[i, :2], boxes[j, :2]),
                np.minimum(boxes[i, 2:], boxes[j, 2:]),
            )
            common = np.prod(np.maximum(0, high - low + 1))
            return common / (sum(np.prod(b[2:] - b[:2] + 1) for b in boxes[[i, j]]) - common)

        if all(overlap(j) <= 0.3 for j in kept):
            kept.append(int(i))
    result = suppressed(Candidates(boxes, scores, None), 0.3)  # type: ignore[arg-type]
    assert np.array_equal(result.boxes, boxes[kept])


def test_letterbox_keeps_the_aspect_and_pads_with_black() -> None:
    image = np.full((50, 100, 3), 200, np.uint8)
    for side in (64, 320):
        canvas, scale = letterbox(image, side, side)
        assert scale == side / 100
        assert (canvas[: side // 2 - 1] == 200).all()
        assert (canvas[side // 2 + 1 :] == 0).all()


def test_letterbox_averages_when_it_shrinks_a_lot() -> None:
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    canvas, _ = letterbox(stripes, 100, 100)
    assert np.abs(canvas[:, 2:-2].astype(int) - 127).max() < 12


def test_insightface_analysis_is_a_detector() -> None:
    class Model:
        def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            assert (image[0, 0] == (3, 2, 1)).all()  # it wants BGR
            return np.array([[1.0, 2, 30, 40, 0.75]]), TEMPLATE[None].astype(np.float32)

    class Analysis:
        det_model = Model()

    picture = np.array(Image.new("RGB", (50, 50), (1, 2, 3)))
    (face,) = FaceAnalysisDetector(Analysis()).detect(picture)
    assert face.box == (1, 2, 30, 40)
    assert face.score == 0.75
    assert np.allclose(face.landmarks, TEMPLATE)


def test_it_may_be_closed_while_others_use_it() -> None:
    detector = OnnxDetector(constant_onnx(HEADS["yunet"]), threads=1)
    boxes = lambda: np.array([face.box for face in detector.detect(PICTURE)])  # noqa: E731
    closes_under_running_calls(boxes, detector.close)


def test_suppression_of_a_hostile_number_of_boxes_is_quick() -> None:
    """Every anchor of five passes proposes a face of its own, none overlapping another."""
    side = 700
    corner = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * 4.0
    boxes = np.concatenate([corner, corner + 2], axis=1).astype(np.float32)
    scores = np.random.default_rng(0).random(len(boxes), np.float32)
    began = time.process_time()
    found = suppressed(Candidates(boxes, scores, None), 0.4)
    assert time.process_time() - began < 4
    assert len(found.scores) == 2000
    assert found.scores[-1] == np.sort(scores)[-2000]


def test_faces_beyond_any_picture_are_dropped_before_they_are_scaled() -> None:
    boxes = np.array([[0, 0, 3e38, 1], [0, 0, np.nan, 1], [0, 0, 9, 9]], np.float32)
    found = Candidates(boxes, np.ones(3, np.float32), None).above(0.5).scaled(1e3)
    assert np.isfinite(found.boxes).all()
    assert len(found.scores) == 1
