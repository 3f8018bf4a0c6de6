"""Sensitivity is measured on verification, and a plan keeps what hurts most."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from small_face import CONTRACT, smooth_pictures

from embedge.calibration.evaluation.judge import cosines_of
from embedge.errors import EmbedgeError
from embedge.export.graph.running import embeddings_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8.budget.precision_plan import Allowance, PrecisionPlan, searched
from embedge.export.int8.budget.verification_effect import VerificationReference
from embedge.export.int8.qdq import Calibrated, calibrated_graph, quantised
from embedge.export.int8.ranges import Range
from embedge.runtime.encoders import tensor_from_crops


@pytest.fixture(scope="module")
def people() -> tuple[np.ndarray, np.ndarray]:
    """12 people, 4 noisy pictures of each."""
    rng = np.random.default_rng(5)
    base = smooth_pictures(12, seed=5).astype(int)
    noisy = base[:, None] + rng.normal(0, 12, (12, 4, 112, 112, 3))
    pictures = np.clip(noisy, 0, 255).astype(np.uint8).reshape(-1, 112, 112, 3)
    return pictures, np.repeat(np.arange(12), 4)


@pytest.fixture
def calibrated(student_file: Path, pictures: NDArray[np.uint8]) -> Calibrated:
    return calibrated_graph(student_file, pictures, "cpu")


def planned(
    calibrated: Calibrated,
    pictures: np.ndarray,
    people: tuple[np.ndarray, np.ndarray],
    *,
    fmr: float,
    points: float,
) -> PrecisionPlan:
    """The plan that a search within this budget finds."""

    def trial(kept: Any) -> Graph:
        return quantised(calibrated, pictures, "mse", kept=kept)

    bare = PrecisionPlan(calibrated.target, calibrated.last)
    return searched(bare, calibrated.graph, Allowance(points, fmr, *people), trial)


def spoil(calibrated: Calibrated) -> onnx.NodeProto:
    """Give one layer's input a range that clips nearly everything. Returns the layer."""
    layer = next(n for n in calibrated.graph.nodes if n.name.endswith("pool.0/Conv"))
    calibrated.fixed[layer.input[0]] = Range(-0.01, 0.02)
    return layer


def test_no_change_has_no_effect(student_file: Path, people: tuple[np.ndarray, np.ndarray]) -> None:
    faces, labels = people
    embeddings = embeddings_of(student_file, faces)
    effect = VerificationReference(embeddings, labels, 0.01).effect(embeddings)
    assert (effect.tar_loss, effect.drift, effect.flips, effect.unrest) == (0, 0, 0, 0)
    assert effect.comparisons == 48 * 47 // 2


def test_shuffled_embeddings_have_a_large_one(
    student_file: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    faces, labels = people
    embeddings = embeddings_of(student_file, faces)
    effect = VerificationReference(embeddings, labels, 0.01).effect(
        embeddings[::-1][[*range(1, 48), 0]]
    )
    assert effect.tar_loss > 10
    assert effect.flips > 0


def test_unrest_weighs_genuine_and_impostor_comparisons_alike() -> None:
    """By hand: two people, two pictures each; one picture turns by a known angle."""
    angle = np.array([0.0, 0.3, 1.5, 1.9])
    moved = np.array([0.1, 0.3, 1.5, 1.9])
    rows = [np.stack([np.cos(a), np.sin(a)], axis=1).astype(np.float32) for a in (angle, moved)]
    effect = VerificationReference(rows[0], [0, 0, 1, 1], 0.8).effect(rows[1])
    change = [np.cos(0.2) - np.cos(0.3), np.cos(1.4) - np.cos(1.5), np.cos(1.8) - np.cos(1.9)]
    genuine, impostor = change[0] ** 2 / 2, (change[1] ** 2 + change[2] ** 2) / 4
    assert effect.unrest == pytest.approx(np.sqrt((genuine + impostor) / 2), rel=1e-4)


def test_too_few_people_for_the_fmr_are_refused(
    student_file: Path, people: tuple[np.ndarray, np.ndarray]
) -> None:
    faces, labels = people
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        VerificationReference(embeddings_of(student_file, faces), labels, 1e-6)


def test_a_good_graph_needs_no_plan(
    calibrated: Calibrated, pictures: NDArray[np.uint8], people: tuple[np.ndarray, np.ndarray]
) -> None:
    plan = planned(calibrated, pictures, people, fmr=0.01, points=5.0)
    assert plan.reached
    assert plan.kept == ()


def test_the_spoilt_layer_is_found(
    calibrated: Calibrated,
    pictures: NDArray[np.uint8],
    people: tuple[np.ndarray, np.ndarray],
    tmp_path: Path,
) -> None:
    layer = spoil(calibrated)
    plan = planned(calibrated, pictures, people, fmr=0.01, points=0.5)
    assert plan.all_int8.tar_loss > 0.5
    assert plan.kept[0].node == layer.name
    assert plan.result.tar_loss < plan.all_int8.tar_loss
    assert plan.result.unrest < plan.all_int8.unrest
    plan.write(tmp_path / "plan.json")
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["kept"][0]["node"] == layer.name
    assert written["reached"] == plan.reached


def test_what_became_needless_goes_back(
    calibrated: Calibrated, pictures: NDArray[np.uint8], people: tuple[np.ndarray, np.ndarray]
) -> None:
    """Without any one layer of the plan the budget does not hold."""
    spoil(calibrated)
    faces, labels = people
    plan = planned(calibrated, pictures, people, fmr=0.01, points=2.0)
    reference = VerificationReference(embeddings_of(calibrated.graph, faces), labels, 0.01)
    assert plan.reached
    for layer in plan.kept:
        graph = quantised(calibrated, pictures, "mse", kept=plan.nodes - {layer.node})
        assert reference.effect(embeddings_of(graph, faces)).tar_loss > 2.0


def test_the_plan_says_what_is_in_float_and_why(
    calibrated: Calibrated, pictures: NDArray[np.uint8], people: tuple[np.ndarray, np.ndarray]
) -> None:
    layer = spoil(calibrated)
    calibrated.last = {"last": 0.001}
    plan = planned(calibrated, pictures, people, fmr=0.01, points=0.5)
    last, kept = plan.float_layers()[:2]
    assert last.node == "last"
    assert "costs next to nothing" in last.why
    assert kept.node == layer.name
    assert f"loses {plan.all_int8.tar_loss:.2f} points of TAR" in kept.why
    assert f"in float by {plan.kept[0].alone.unrest:.4f}" in kept.why
    assert PrecisionPlan("cpu", {"last": 0.001}).to_json()["float_layers"] == [asdict(last)]


def test_a_layer_kept_in_float_is_not_quantised_behind_our_back(
    calibrated: Calibrated, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    """ONNX Runtime alone gives it one scale for all channels; our session does not let it."""
    graph = calibrated.graph
    layer = next(n for n in graph.nodes if n.name.endswith("inner.0.0/Conv"))
    weight = graph.constants[layer.input[1]].copy()
    weight[::2] *= np.float32(1e-3)
    weight[1] *= np.float32(1e3)
    graph.constants[layer.input[1]] = weight
    kept = quantised(calibrated, pictures, "max", kept=frozenset([layer.name]))
    kept.write(tmp_path / "kept.onnx")
    naive = onnxruntime.InferenceSession(
        str(tmp_path / "kept.onnx"), providers=["CPUExecutionProvider"]
    ).run(None, {"image": tensor_from_crops(pictures, CONTRACT)})[0]
    ours = embeddings_of(tmp_path / "kept.onnx", pictures)
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    truth = onnxruntime.InferenceSession(
        str(tmp_path / "kept.onnx"), plain, providers=["CPUExecutionProvider"]
    ).run(None, {"image": tensor_from_crops(pictures, CONTRACT)})[0]
    assert cosines_of(truth, ours).min > 0.999
    assert cosines_of(truth, naive).min < cosines_of(truth, ours).min


def test_what_a_search_computed_once_changes_no_graph(
    student_file: Path, pictures: NDArray[np.uint8], calibrated: Calibrated
) -> None:
    """Ranges and means are kept between plans, also between those that round other layers."""
    layer = next(n for n in calibrated.graph.nodes if n.name.endswith("pool.0/Conv"))
    for kept in (frozenset({layer.name}), frozenset[str]()):
        again = quantised(calibrated, pictures, "mse", kept=kept)
        fresh = quantised(
            calibrated_graph(student_file, pictures, "cpu"), pictures, "mse", kept=kept
        )
        assert again.to_model().SerializeToString() == fresh.to_model().SerializeToString()
    assert calibrated.means
