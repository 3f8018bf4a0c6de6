"""Forms that a target runs fast compute what the plain ones do."""

import numpy as np
import pytest
from graphs import graph_of, operators, random_floats, run
from onnx import helper

from embedge.export.graph.fast_forms import lower_prelu, slope_of, tame_slopes, widen_groups

node = helper.make_node


def test_a_slope_of_one_is_lowered_too(student, tensor):
    prelu = next(n for n in student.nodes if n.op_type == "PRelu")
    slope = slope_of(student, prelu).copy()
    slope[:3] = [[[1.0]], [[0.99999]], [[-1.0]]]
    student.constants[prelu.input[1]] = slope
    expected = run(student, tensor)
    lower_prelu(student)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_lowering_is_exact_for_any_slope(student, tensor):
    expected = run(student, tensor)
    lower_prelu(student)
    assert "PRelu" not in operators(student)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_tamed_slopes_are_at_most_one(student, tensor):
    prelus = [n for n in student.nodes if n.op_type == "PRelu"]
    assert any((slope_of(student, n) > 1).any() for n in prelus)
    expected = run(student, tensor)
    tame_slopes(student)
    assert all((slope_of(student, n) <= 1).all() for n in prelus)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_pairs_become_depthwise_and_picks_vanish(student, tensor):
    expected = run(student, tensor)
    widen_groups(student)
    assert "Gather" not in operators(student)
    assert operators(student).count("Concat") == 1
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(8, 4, 4), (6, 3, 5), (2, 2, 4)])
def test_small_groups_are_merged(rng, groups, inputs, outputs):
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


def test_pairs_between_anything_stay_right(rng):
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
