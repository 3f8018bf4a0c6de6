"""Channels are scaled and picked as if it were done to the tensors."""

import numpy as np
import pytest
from graphs import graph_of, operators, random_floats, run
from onnx import helper

from embedge.export.graph.channels import (
    absorb_picks,
    is_depthwise,
    pick_channels,
    read_channels,
    scale_input_channels,
    scale_output_channels,
    shift_bias,
)

node = helper.make_node


def convolution(rng, *, groups=1, outputs=4, inputs=4, bias=True):
    constants = {"w": random_floats(rng, outputs, inputs // groups, 3, 3)}
    if bias:
        constants["b"] = random_floats(rng, outputs)
    conv = node("Conv", ["x", *constants], ["y"], name="conv", group=groups)
    return graph_of([conv], constants, shape=("batch", inputs, 6, 6))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_factor_on_the_input_moves_into_the_weights(rng, groups):
    graph = convolution(rng, groups=groups)
    x, factor = random_floats(rng, 2, 4, 6, 6), random_floats(rng, 4)
    expected = run(graph, x * factor[:, None, None])
    scale_input_channels(graph, graph.nodes[0], factor)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_a_factor_and_a_shift_on_the_output_do_too(rng, bias):
    graph = convolution(rng, bias=bias)
    x, factor, shift = random_floats(rng, 2, 4, 6, 6), random_floats(rng, 4), random_floats(rng, 4)
    expected = run(graph, x) * factor[:, None, None] + shift[:, None, None]
    scale_output_channels(graph, graph.nodes[0], factor)
    shift_bias(graph, graph.nodes[0], shift)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def test_which_channels_a_group_reads(rng):
    graph = convolution(rng, groups=2)
    np.testing.assert_array_equal(
        read_channels(graph, graph.nodes[0]), [[0, 1], [0, 1], [2, 3], [2, 3]]
    )
    assert not is_depthwise(graph, graph.nodes[0])
    depthwise = convolution(rng, groups=4)
    assert is_depthwise(depthwise, depthwise.nodes[0])


@pytest.mark.parametrize("before", [True, False])
def test_a_pick_beside_a_convolution_vanishes(rng, before):
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
