"""INT8 arithmetic against the operators' definition, and the written graph against two runtimes."""

from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of, reference, run
from numpy.typing import NDArray
from onnx import helper
from small_face import CONTRACT

from embedge.export.graph.surgery import Graph
from embedge.export.int8.placement import dequantise, quantise
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.int8.ranges import (
    Range,
    Scale,
    activation_scale,
    bias_codes,
    weight_codes,
    weight_scales,
)
from embedge.runtime.encoders import tensor_from_crops


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bounds", [Range(-1.3, 2.9), Range(0, 6), Range(-3, 0), Range(0, 0)])
def test_fake_quantisation_equals_the_operators(symmetric: bool, bounds: Range) -> None:
    scale = activation_scale(bounds, symmetric=symmetric)
    values = np.linspace(-4, 7, 2000, dtype=np.float32).reshape(1, 1, 40, 50)
    graph = graph_of([helper.make_node("Identity", ["x"], ["y"])], {}, shape=(1, 1, 40, 50))
    graph.nodes.clear()
    restored = dequantise(graph, quantise(graph, "x", scale), scale)
    graph.emit("Identity", [restored], hint="y", output="y")
    expected = scale.values(scale.codes(values))
    np.testing.assert_array_equal(run(graph, values), expected)
    np.testing.assert_array_equal(reference(graph, values), expected)


def test_zero_is_exact_and_the_ends_are_reached() -> None:
    for bounds in (Range(-1, 3), Range(-0.1, 9), Range(0, 5)):
        for symmetric in (False, True):
            scale = activation_scale(bounds, symmetric=symmetric)
            assert scale.values(scale.codes(np.zeros(1))) == 0
            ends = np.array([bounds.low, bounds.high])
            error = np.abs(scale.values(scale.codes(ends)) - ends).max()
            assert error <= scale.scale * 0.5001


def test_weights_are_within_half_a_step_per_channel() -> None:
    weight = (
        np.random.default_rng(0).normal(size=(8, 4, 3, 3))
        * np.logspace(-4, 2, 8)[:, None, None, None]
    )
    scales = weight_scales(weight, None, np.float32(0.1))
    restored = weight_codes(weight, scales) * scales[:, None, None, None]
    assert np.all(np.abs(restored - weight) <= scales[:, None, None, None] * 0.5001)
    assert np.abs(weight_codes(weight, scales)).max() == 127
    assert (
        np.abs(
            weight_codes(weight, weight_scales(weight, None, np.float32(1), bits=7), bits=7)
        ).max()
        == 63
    )


def test_a_channel_of_zeros_keeps_its_bias() -> None:
    """The peer's quantiser fails on such channels; here the scale makes room for the bias."""
    weight, bias = np.zeros((2, 4, 1, 1)), np.array([5.0, -300.0])
    scales = weight_scales(weight, bias, np.float32(1e-3))
    both = scales * np.float32(1e-3)
    np.testing.assert_allclose(bias_codes(bias, both) * both.astype(float), bias, rtol=1e-6)


def test_codes_saturate() -> None:
    scale = Scale(np.float32(0.5), 10, np.uint8)
    assert scale.codes(np.array([-100.0, 1e9])).tolist() == [0, 255]


def test_the_reference_evaluator_agrees_with_onnxruntime(
    student_file: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    for target in ("cpu", "trt"):
        path = tmp_path / f"{target}.onnx"
        qdq_from_onnx(student_file, pictures, path, target=target)
        tensor = tensor_from_crops(pictures[:2], CONTRACT)
        expected = reference(Graph.read(path), tensor)
        found = run(Graph.read(path), tensor)
        cosine = np.sum(found * expected, axis=1)
        cosine /= np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert cosine.min() > 0.9995, target
