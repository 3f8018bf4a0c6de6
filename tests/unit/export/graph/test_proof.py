"""A pass that changes what the network answers ends in an error with the pass's name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.errors import EmbedgeError
from embedge.export.graph import canonical as canonical_room
from embedge.export.graph.running import Proof, embeddings_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8 import qdq
from embedge.export.int8.qdq import calibrated_graph
from embedge.export.intake import intake
from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Claims, taken_in

Pictures = NDArray[np.uint8]
SHARE = 1e-3  # a layer's outputs grow by as much each: no cosine shows it


def _last_layer(graph: Graph) -> NodeProto:
    return next(n for n in reversed(graph.nodes) if n.op_type in {"Conv", "Gemm", "MatMul"})


def _spoilt(graph: Graph) -> None:
    """A layer's outputs a little longer, as a wrongly folded factor makes them."""
    layer = _last_layer(graph)
    weight = graph.constants[layer.input[1]].copy()
    weight *= 1 + SHARE * np.arange(len(weight)).reshape(-1, *[1] * (weight.ndim - 1))
    graph.constants[layer.input[1]] = weight


def _cut(graph: Graph) -> None:
    """Weights for one channel fewer than come in: no runtime loads it."""
    layer = _last_layer(graph)
    graph.constants[layer.input[1]] = graph.constants[layer.input[1]][:, :-1].copy()


def _then(step: Callable[..., bool], harm: Callable[[Graph], None]) -> Callable[..., bool]:
    def spoilt(graph: Graph, *rest: object) -> bool:
        step(graph, *rest)
        harm(graph)
        return True

    return spoilt


def _then_once(step: Callable[[Graph], bool], harm: Callable[[Graph], None]) -> object:
    """Of a pass that is asked again until it changes nothing."""
    done: list[bool] = []

    def spoilt(graph: Graph) -> bool:
        changed = step(graph)
        if changed or done:
            return changed
        done.append(True)
        harm(graph)
        return True

    spoilt.__name__ = step.__name__
    return spoilt


def test_a_pass_that_changes_nothing_holds(student: Graph, pictures: Pictures) -> None:
    Proof.of_graph(student, pictures).after("nothing", student)


def test_a_changed_answer_names_the_pass(student: Graph, pictures: Pictures) -> None:
    proof = Proof.of_graph(student, pictures)
    _spoilt(student)
    with pytest.raises(EmbedgeError, match=r"E-REWRITING.*'fold this'.*differs .*at most 1e-04"):
        proof.after("fold this", student)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_no_number_names_the_pass(pictures: Pictures, value: float) -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(EmbedgeError, match=r"E-REWRITING.*'divide'.*differs .*inf"):
        Proof(pictures[:3], rows).holds("divide", lambda: np.full_like(rows, value))


def test_an_answer_of_another_shape_names_the_pass(pictures: Pictures) -> None:
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(EmbedgeError, match=r"E-REWRITING.*'cut'"):
        Proof(pictures[:3], rows).holds("cut", lambda: rows[:, :2])


def test_up_to_the_bound_holds_and_beyond_does_not(pictures: Pictures) -> None:
    rows = np.eye(3, dtype=np.float32)
    proof = Proof(pictures[:3], rows)
    proof.holds("near", lambda: rows * np.float32(1 + 0.9e-4))
    with pytest.raises(EmbedgeError, match=r"E-REWRITING.*'far'"):
        proof.holds("far", lambda: rows * np.float32(1 + 1.1e-4))


def test_a_result_that_does_not_run_is_told(student: Graph, pictures: Pictures) -> None:
    proof = Proof.of_graph(student, pictures)
    _cut(student)
    with pytest.raises(EmbedgeError, match=r"E-REWRITING.*'lose it'.*does not run"):
        proof.after("lose it", student)


def test_what_is_wrong_with_the_pictures_is_not_laid_on_the_pass(pictures: Pictures) -> None:
    def answers() -> NDArray[np.float32]:
        raise EmbedgeError("E-CALIBRATION", "no pictures", remedy="Give some")

    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        Proof(pictures[:3], np.eye(3, dtype=np.float32)).holds("innocent", answers)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("enter_float", "float entrance"),
        ("enter_planes", "planes first"),
        ("fold_entrance", "first layer"),
        ("leave_rows", "embedding in rows"),
        ("free_batch", "free batch"),
    ],
)
@pytest.mark.parametrize(("harm", "told"), [(_spoilt, "differs"), (_cut, "does not run")])
def test_every_step_of_intake_is_compared(
    student_file: Path,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    name: str,
    harm: Callable[[Graph], None],
    told: str,
) -> None:
    monkeypatch.setattr(intake, function, _then(getattr(intake, function), harm))
    with pytest.raises(EmbedgeError, match=rf"E-REWRITING.*'{name}'.*{told}") as caught:
        taken_in(student_file, pictures)
    assert caught.value.where == str(student_file)


@pytest.mark.parametrize(
    ("function", "name"), [("plain_model", "plain form"), ("in_opset", "opset 17")]
)
def test_the_ecosystems_passes_are_compared_too(
    student_file: Path,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    name: str,
) -> None:
    step = getattr(intake, function)

    def spoilt(model: object) -> object:
        graph = Graph.from_model(step(model))
        _spoilt(graph)
        return graph.to_model()

    monkeypatch.setattr(intake, function, spoilt)
    with pytest.raises(EmbedgeError, match=rf"E-REWRITING.*'{name}'"):
        taken_in(student_file, pictures, Claims(Stated()))


@pytest.mark.parametrize("function", ["_fold_affine_after", "_gemm_form", "fold_constants"])
def test_a_pass_of_the_one_form_is_compared_where_int8_begins(
    student_file: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    harmful = _then_once(getattr(canonical_room, function), _spoilt)
    monkeypatch.setattr(canonical_room, function, harmful)
    name = function.strip("_").replace("_", " ")
    with pytest.raises(EmbedgeError, match=rf"E-REWRITING.*'{name}'"):
        calibrated_graph(student_file, pictures, "cpu")


@pytest.mark.parametrize("function", ["fold_entrance", "tame_slopes", "widen_groups", "equalise"])
def test_every_step_of_calibrating_is_compared(
    student_file: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.setattr(qdq, function, _then(getattr(qdq, function), _spoilt))
    name = function.replace("_", " ")
    with pytest.raises(EmbedgeError, match=rf"E-REWRITING.*'{name}'"):
        calibrated_graph(student_file, pictures, "cpu")


def test_the_spoilt_graph_would_pass_for_right(student: Graph, pictures: Pictures) -> None:
    """What a look at cosines alone lets through."""
    expected = embeddings_of(student, pictures)
    _spoilt(student)
    found = embeddings_of(student, pictures)
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    assert ((expected * found).sum(axis=1) / lengths).min() > 0.9999
