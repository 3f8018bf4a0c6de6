"""Rewritten layers compute what the plain ones do."""

import numpy as np
import pytest
from graphs import graph_of, operators, random_floats, run
from numpy.typing import NDArray
from onnx import helper

from embedge.export.graph.channels import (
    absorb_picks,
    is_depthwise,
    lower_prelu,
    pick_channels,
    read_channels,
    scale_input_channels,
    scale_output_channels,
    shift_bias,
    slope_of,
    tame_slopes,
    widen_groups,
)
from embedge.export.graph.surgery import Graph

node = helper.make_node


def convolution(
    rng: np.random.Generator,
    *,
    groups: int = 1,
    outputs: int = 4,
    inputs: int = 4,
    bias: bool = True,
) -> Graph:
    constants = {"w": random_floats(rng, outputs, inputs // groups, 3, 3)}
    if bias:
        constants["b"] = random_floats(rng, outputs)
    conv = node("Conv", ["x", *constants], ["y"], name="conv", group=groups)
    return graph_of([conv], constants, shape=("batch", inputs, 6, 6))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_factor_on_the_input_moves_into_the_weights(
    rng: np.random.Generator, groups: int
) -> None:
    graph = convolution(rng, groups=groups)
    x, factor = random_floats(rng, 2, 4, 6, 6), random_floats(rng, 4)
    expected = run(graph, x * factor[:, None, None])
    scale_input_channels(graph, graph.nodes[0], factor)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_a_factor_and_a_shift_on_the_output_do_too(rng: np.random.Generator, bias: bool) -> None:
    graph = convolution(rng, bias=bias)
    x, factor, shift = random_floats(rng, 2, 4, 6, 6), random_floats(rng, 4), random_floats(rng, 4)
    expected = run(graph, x) * factor[:, None, None] + shift[:, None, None]
    scale_output_channels(graph, graph.nodes[0], factor)
    shift_bias(graph, graph.nodes[0], shift)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def test_which_channels_a_group_reads(rng: np.random.Generator) -> None:
    graph = convolution(rng, groups=2)
    np.testing.assert_array_equal(
        read_channels(graph, graph.nodes[0]), [[0, 1], [0, 1], [2, 3], [2, 3]]
    )
    assert not is_depthwise(graph, graph.nodes[0])
    depthwise = convolution(rng, groups=4)
    assert is_depthwise(depthwise, depthwise.nodes[0])


@pytest.mark.parametrize("before", [True, False])
def test_a_pick_beside_a_convolution_vanishes(rng: np.random.Generator, before: bool) -> None:
    """Above a layer it goes into what the layer reads, below into what it writes."""
    graph = convolution(rng)
    x, order = random_floats(rng, 2, 4, 6, 6), np.array([2, 0, 3, 1])
    expected = run(graph, x[:, order]) if before else run(graph, x)[:, order]
    conv = graph.nodes[0]
    if before:
        conv.input[0] = pick_channels(graph, "x", order, hint="picked")
    else:
        conv.output[0] = "all"
        picked = pick_channels(graph, "all", order, hint="picked")
        graph.emit("Identity", [picked], hint="y", output="y")
    absorb_picks(graph)
    assert "Gather" not in operators(graph)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def test_a_slope_of_one_is_lowered_too(student: Graph, tensor: NDArray[np.float32]) -> None:
    prelu = next(n for n in student.nodes if n.op_type == "PRelu")
    slope = slope_of(student, prelu).copy()
    slope[:3] = [[[1.0]], [[0.99999]], [[-1.0]]]
    student.constants[prelu.input[1]] = slope
    expected = run(student, tensor)
    lower_prelu(student)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_lowering_is_exact_for_any_slope(student: Graph, tensor: NDArray[np.float32]) -> None:
    expected = run(student, tensor)
    lower_prelu(student)
    assert "PRelu" not in operators(student)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_tamed_slopes_are_at_most_one(student: Graph, tensor: NDArray[np.float32]) -> None:
    prelus = [n for n in student.nodes if n.op_type == "PRelu"]
    assert any((slope_of(student, n) > 1).any() for n in prelus)
    expected = run(student, tensor)
    tame_slopes(student)
    assert all((slope_of(student, n) <= 1).all() for n in prelus)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_pairs_become_depthwise_and_picks_vanish(
    student: Graph, tensor: NDArray[np.float32]
) -> None:
    expected = run(student, tensor)
    widen_groups(student)
    assert "Gather" not in operators(student)
    assert operators(student).count("Concat") == 1
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(8, 4, 4), (6, 3, 5), (2, 2, 4)])
def test_small_groups_are_merged(
    rng: np.random.Generator, groups: int, inputs: int, outputs: int
) -> None:
    x = random_floats(rng, 2, groups * inputs, 6, 6)
    graph = graph_of(
        [node("Conv", ["x", "w"], ["y"], group=groups, pads=[1, 1, 1, 1])],
        {"w": random_floats(rng, groups * outputs, inputs, 3, 3)},
        shape=("batch", groups * inputs, 6, 6),
    )
    expected = run(graph, x)
    widen_groups(graph)
    assert graph.constants[graph.nodes[0].input[1]].shape[1] > inputs
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-4)


def test_pairs_between_anything_stay_right(rng: np.random.Generator) -> None:
    """Picks that no convolution can absorb remain and compute the same."""
    x = random_floats(rng, 2, 8, 6, 6)
    graph = graph_of(
        [
            node("Sigmoid", ["x"], ["s"]),
            node("Conv", ["s", "w", "b"], ["c"], group=4),
            node("Sigmoid", ["c"], ["y"]),
        ],
        {"w": random_floats(rng, 8, 2, 3, 3), "b": random_floats(rng, 8)},
        shape=("batch", 8, 6, 6),
    )
    expected = run(graph, x)
    widen_groups(graph)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def test_slopes_of_every_place_are_no_channels(rng: np.random.Generator) -> None:
    """Keras writes one for each pixel where nobody says that they are shared."""
    weights = {f"w{n}": random_floats(rng, 4, 4, 1, 1) for n in (0, 1)}
    nodes = [
        node("Conv", ["x", "w0"], ["c"], name="c"),
        node("PRelu", ["c", "a"], ["p"], name="p"),
        node("Conv", ["p", "w1"], ["y"], name="d"),
    ]
    slopes = rng.uniform(-0.5, 1.5, (4, 6, 6)).astype(np.float32)
    x = random_floats(rng, 2, 4, 6, 6)
    for rewrite in (tame_slopes, lower_prelu):
        graph = graph_of(nodes, weights | {"a": slopes}, shape=("batch", 4, 6, 6))
        before = run(graph, x)
        rewrite(graph)
        np.testing.assert_allclose(run(graph, x), before, atol=1e-5)
