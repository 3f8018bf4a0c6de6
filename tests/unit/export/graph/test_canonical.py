"""Whatever an exporter wrote is brought to one form that computes the same."""

from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of, operators, random_floats, run
from numpy.typing import NDArray
from onnx import helper
from small_face import SmallFace

from embedge.export.graph.canonical import canonical
from embedge.export.graph.channels import lower_prelu, slope_of
from embedge.export.graph.surgery import Graph
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract

node = helper.make_node


def test_canonical_is_the_same_from_either_export(
    tmp_path: Path, net: SmallFace, contract: EmbeddingContract, tensor: NDArray[np.float32]
) -> None:
    for lower in (True, False):
        onnx_from_student(net, contract, tmp_path / f"{lower}.onnx", lower=lower)
    graphs = [canonical(Graph.read(tmp_path / f"{lower}.onnx")) for lower in (True, False)]
    assert sorted(operators(graphs[0])) == sorted(operators(graphs[1]))
    assert operators(graphs[0]).count("PRelu") == 4
    np.testing.assert_allclose(run(graphs[0], tensor), run(graphs[1], tensor), atol=1e-5)


def test_an_exporter_that_leaves_everything_apart_is_gathered(rng: np.random.Generator) -> None:
    x = random_floats(rng, 2, 3, 8, 8)
    graph = graph_of(
        [
            node("Identity", ["w0"], ["w"]),
            node("Conv", ["x", "w"], ["c"]),
            node("Add", ["c", "b"], ["cb"]),
            node("BatchNormalization", ["cb", "g", "be", "m", "v"], ["bn"]),
            node("Mul", ["k", "bn"], ["s"]),
            node("Flatten", ["s"], ["f"]),
            node("MatMul", ["f", "mm"], ["y0"]),
            node("Sub", ["y0", "mb"], ["y"]),
        ],
        {
            "w0": random_floats(rng, 4, 3, 8, 8),
            "b": random_floats(rng, 1, 4, 1, 1),
            "g": random_floats(rng, 4),
            "be": random_floats(rng, 4),
            "m": random_floats(rng, 4),
            "v": np.abs(random_floats(rng, 4)) + 0.1,
            "k": random_floats(rng, 4, 1, 1),
            "mm": random_floats(rng, 4, 5),
            "mb": random_floats(rng, 5),
        },
        shape=("batch", 3, 8, 8),
    )
    expected = run(graph, x)
    canonical(graph)
    assert operators(graph) == ["Conv", "Flatten", "Gemm"]
    np.testing.assert_allclose(run(graph, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["max", "relu"])
def test_a_lowered_prelu_is_recognised(rng: np.random.Generator, form: str) -> None:
    slope = rng.uniform(-0.5, 0.9, (3, 1, 1)).astype(np.float32)
    if form == "max":
        nodes = [node("Mul", ["x", "a"], ["ax"]), node("Max", ["ax", "x"], ["y"])]
    else:
        nodes = [
            node("Relu", ["x"], ["r"]),
            node("Mul", ["rest", "r"], ["u"]),
            node("Mul", ["a", "x"], ["l"]),
            node("Add", ["u", "l"], ["y"]),
        ]
    graph = graph_of(nodes, {"a": slope, "rest": 1 - slope}, shape=("batch", 3, 4, 4))
    canonical(graph)
    assert operators(graph) == ["PRelu"]
    np.testing.assert_array_equal(slope_of(graph, graph.nodes[0]), slope)


def test_the_scaled_form_is_recognised(student: Graph, tensor: NDArray[np.float32]) -> None:
    """Three operators per PReLU in the shipped graph; none is left after reading it again."""
    expected = run(student, tensor)
    prelus = [slope_of(student, n) for n in student.nodes if n.op_type == "PRelu"]
    lower_prelu(student)
    assert operators(student).count("Mul") == 4
    canonical(student)
    assert "Mul" not in operators(student)
    again = [slope_of(student, n) for n in student.nodes if n.op_type == "PRelu"]
    for before, after in zip(prelus, again, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


@pytest.mark.parametrize(("slope", "raised"), [(1 / 6, True), (0.2, False)])
def test_an_input_times_its_hard_sigmoid_is_hard_swish(
    rng: np.random.Generator, slope: float, raised: bool
) -> None:
    nodes = [
        node("HardSigmoid", ["x"], ["gate"], alpha=slope, beta=0.5),
        node("Mul", ["gate", "x"], ["y"]),
    ]
    graph = graph_of(nodes, {}, shape=("batch", 3, 4, 4))
    x = rng.normal(0, 4, (2, 3, 4, 4)).astype(np.float32)
    before = run(graph, x)
    canonical(graph)
    assert (operators(graph) == ["HardSwish"]) == raised
    np.testing.assert_allclose(run(graph, x), before, atol=1e-5)


def test_a_sum_that_is_no_prelu_stays() -> None:
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Mul", ["rest", "r"], ["u"]),
        node("Mul", ["a", "x"], ["l"]),
        node("Add", ["u", "l"], ["y"]),
    ]
    half = np.full((3, 1, 1), 0.4, np.float32)
    graph = canonical(graph_of(nodes, {"a": half, "rest": half}, shape=("batch", 3, 4, 4)))
    assert "PRelu" not in operators(graph)


@pytest.mark.parametrize(
    ("written", "plain"),
    [((1, 3, 1, 1), (3, 1, 1)), ((1, 1, 1, 1), (1, 1, 1)), ((1, 4), (4,)), ((3, 4, 4), (3, 4, 4))],
)
def test_slopes_have_one_form(
    rng: np.random.Generator, written: tuple[int, ...], plain: tuple[int, ...]
) -> None:
    graph = graph_of(
        [node("PRelu", ["x", "a"], ["y"])],
        {"a": random_floats(rng, *written)},
        shape=("batch", 3, 4, 4),
    )
    x = random_floats(rng, 2, 3, 4, 4)
    before = run(graph, x)
    canonical(graph)
    assert slope_of(graph, graph.nodes[0]).shape == plain
    np.testing.assert_array_equal(run(graph, x), before)
