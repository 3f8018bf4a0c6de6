from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import graph_of, random_floats, run
from numpy.typing import NDArray
from onnx import helper
from small_face import embed

from embedge.calibration.evaluation.judge import cosines_of
from embedge.export.fp16 import fp16_from_onnx, overflowing_nodes
from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph


@pytest.fixture
def large_file(student_file: Path, tmp_path: Path) -> Path:
    """A student whose last layer has one weight beyond the largest half."""
    graph = canonical(Graph.read(student_file))
    gemm = next(node for node in graph.nodes if node.op_type == "Gemm")
    weight = graph.constants[gemm.input[1]].copy()
    weight[0, 0] = 1e5
    graph.constants[gemm.input[1]] = weight
    graph.write(tmp_path / "large.onnx")
    return tmp_path / "large.onnx"


def test_weights_are_halves_and_the_doors_are_floats(student_file: Path, tmp_path: Path) -> None:
    fp16_from_onnx(student_file, tmp_path / "h.onnx")
    model = onnx.load(tmp_path / "h.onnx")
    kinds = {item.data_type for item in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT16}
    for end in (*model.graph.input, *model.graph.output):
        assert end.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert (tmp_path / "h.onnx").stat().st_size < 0.75 * student_file.stat().st_size


def test_it_runs_and_agrees(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    fp16_from_onnx(student_file, tmp_path / "h.onnx", images=pictures)
    found = cosines_of(embed(student_file, pictures), embed(tmp_path / "h.onnx", pictures))
    assert found.min > 0.9999


def test_the_contract_survives(student_file: Path, tmp_path: Path) -> None:
    fp16_from_onnx(student_file, tmp_path / "h.onnx")
    assert Graph.read(tmp_path / "h.onnx").metadata == Graph.read(student_file).metadata


def test_a_weight_beyond_half_is_guarded(
    large_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    fp16_from_onnx(large_file, tmp_path / "h.onnx")
    found = embed(tmp_path / "h.onnx", pictures)
    expected = embed(large_file, pictures)
    assert np.isfinite(found).all()
    assert cosines_of(expected, found).min > 0.999


def test_an_activation_beyond_half_is_guarded(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    graph = canonical(Graph.read(student_file))
    conv = next(node for node in graph.nodes if node.op_type == "Conv")
    graph.constants[conv.input[1]] = graph.constants[conv.input[1]] * np.float32(3e4)
    graph.write(tmp_path / "tall.onnx")
    assert overflowing_nodes(graph) == set()
    assert conv.name in overflowing_nodes(graph, pictures)
    fp16_from_onnx(tmp_path / "tall.onnx", tmp_path / "h.onnx", images=pictures)
    expected = embed(tmp_path / "tall.onnx", pictures)
    found = cosines_of(expected, embed(tmp_path / "h.onnx", pictures))
    assert found.min > 0.999


def test_what_is_of_one_precision_alone_keeps_it(rng: np.random.Generator, tmp_path: Path) -> None:
    """Zeros beside a shortcut, as dlib widens it; the scales of a Resize; a Range."""
    node = helper.make_node
    constants: dict[str, np.ndarray] = {
        "scales": np.array([1, 1, 0.5, 0.5], np.float32),
        "last": np.array(3, np.int64),
        "from": np.array(0, np.float32),
        "by": np.array(1, np.float32),
    }
    nodes = [
        node("Shape", ["x"], ["whole"], name="shape"),
        node("ConstantOfShape", ["whole"], ["zeros"], name="zeros"),
        node("Concat", ["x", "zeros"], ["wide"], name="wide", axis=1),
        node("Gather", ["whole", "last"], ["width"], name="width"),
        node("Cast", ["width"], ["to"], name="to", to=1),
        node("Range", ["from", "to", "by"], ["steps"], name="steps"),
        node("Mul", ["wide", "steps"], ["times"], name="times"),
        node("Resize", ["times", "", "scales"], ["y"], name="small", mode="nearest"),
    ]
    graph = graph_of(nodes, constants, shape=(1, 2, 8, 8))
    fp16_from_onnx(graph, tmp_path / "h.onnx")
    x = random_floats(rng, 1, 2, 8, 8)
    found = run(Graph.read(tmp_path / "h.onnx"), x)
    np.testing.assert_allclose(found, run(graph, x), rtol=2e-3, atol=1e-3)
