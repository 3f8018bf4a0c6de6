"""What is done to a float graph for the sake of 8 bits leaves what it computes alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from graphs import graph_of, operators, random_floats, run
from numpy.typing import NDArray
from onnx import helper
from small_face import CONTRACT, small_face

from embedge.export.graph.canonical import canonical
from embedge.export.graph.running import batches_of
from embedge.export.graph.surgery import Graph
from embedge.export.int8.compensation import (
    channel_bounds,
    correct_biases,
    equalise,
    exact_entrance,
    fold_entrance,
)
from embedge.export.int8.placement import wanted_tensors
from embedge.export.int8.ranges import Range, activation_scale
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops

node = helper.make_node


def test_every_grey_level_is_a_code(student: Graph) -> None:
    ((name, bounds),) = exact_entrance(student, CONTRACT).items()
    greys = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    shifted = tensor_from_crops(greys, CONTRACT) - np.float32(0.5 / 127.5)
    for symmetric, first in ((False, 0), (True, -128)):
        scale = activation_scale(bounds, symmetric=symmetric)
        codes = scale.codes(shifted)[0, 0].astype(int).ravel()
        np.testing.assert_array_equal(codes, np.arange(256) + first)
    assert student.producer(name).op_type == "Add"


def test_the_shift_is_undone_in_the_bias(student: Graph, tensor: NDArray[np.float32]) -> None:
    expected = run(student, tensor)
    exact_entrance(student, CONTRACT)
    found = run(student, tensor)
    assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_three_scales_have_no_common_grid(student: Graph) -> None:
    three = replace(CONTRACT, std=(58.4, 57.1, 57.4))
    before = len(student.nodes)
    assert exact_entrance(student, three) == {}
    assert len(student.nodes) == before


def test_equalised_channels_have_one_range(
    student: Graph, pictures: NDArray[np.uint8], tensor: NDArray[np.float32]
) -> None:
    expected = run(student, tensor)
    inner = next(
        n.input[0]
        for n in student.nodes
        if n.op_type == "Conv" and student.constants[n.input[1]].shape[:2] == (32, 1)
    )
    both = [inner, student.producer(inner).input[0]]  # the two ends of a PReLU
    before = _spread(student, both, pictures)
    equalise(student, batches_of(pictures, CONTRACT))
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)
    assert before > 2.5
    assert _spread(student, both, pictures) < 1.01


def _spread(graph: Graph, names: list[str], pictures: np.ndarray) -> float:
    """How much wider the widest channel is than most of the others."""
    bounds = np.max(
        [*channel_bounds(graph, names, batches_of(pictures, CONTRACT)).values()], axis=0
    )
    return bounds.max() / np.quantile(bounds, 0.25)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_equalisation_respects_other_activations(
    tmp_path: Path,
    contract: EmbeddingContract,
    pictures: NDArray[np.uint8],
    tensor: NDArray[np.float32],
    activation: str,
) -> None:
    onnx_from_student(small_face(activation), contract, tmp_path / "s.onnx")
    graph = canonical(Graph.read(tmp_path / "s.onnx"))
    expected = run(graph, tensor)
    equalise(graph, batches_of(pictures, CONTRACT))
    np.testing.assert_allclose(run(graph, tensor), expected, atol=1e-5)


def test_a_corrected_bias_gives_the_mean_of_float(
    student: Graph, pictures: NDArray[np.uint8]
) -> None:
    """One layer in coarse codes: the mean of what it writes is that of the float graph."""
    layer = next(n for n in student.nodes if n.op_type == "Conv" and n.input[0] == "image")
    everything = frozenset(n.name for n in student.nodes if n is not layer)
    wanted = wanted_tensors(student, "cpu", kept=everything)
    before = student.constants[layer.input[2]].copy()
    scale = activation_scale(Range(-1, 1), symmetric=False)
    batch = next(batches_of(pictures, CONTRACT))
    correct_biases(student, wanted, {"image": Range(-1, 1)}, "cpu", [batch], bits=4)
    moved = student.constants[layer.input[2]] - before
    assert np.abs(moved).max() > 1e-3

    def means(weight: np.ndarray, image: np.ndarray) -> np.ndarray:
        whole = image.mean(axis=(0, 2, 3))
        return (weight.sum(axis=(2, 3)) * whole).sum(axis=1)

    weight = student.constants[layer.input[1]]
    steps = np.abs(weight).reshape(len(weight), -1).max(axis=1).reshape(-1, 1, 1, 1) / 7
    coarse = np.rint(weight / steps) * steps
    rounded = scale.values(scale.codes(batch))
    np.testing.assert_allclose(moved, means(weight, batch) - means(coarse, rounded), atol=1e-4)


def foreign_entrance(rng: np.random.Generator, offset: float) -> Graph:
    """What a converted network does first: back to bytes, BGR, another normalisation."""
    return graph_of(
        [
            node("Mul", ["x", "up"], ["a"]),
            node("Add", ["a", "up"], ["b"]),
            node("Slice", ["b", "start", "stop", "axis", "step"], ["bgr"]),
            node("Sub", ["bgr", "zero"], ["c"]),
            node("Div", ["c", "one"], ["d"]),
            node("Mul", ["d", "small"], ["e"]),
            node("Add", ["e", "back"], ["f"]),
            node("Conv", ["f", "w"], ["y"], pads=[1, 1, 1, 1]),
        ],
        {
            "up": np.array([127.5], np.float32),
            "start": np.array([-1], np.int64),
            "stop": np.array([-(2**63)], np.int64),
            "axis": np.array([1], np.int64),
            "step": np.array([-1], np.int64),
            "zero": np.zeros((1, 3, 1, 1), np.float32),
            "one": np.ones((1, 3, 1, 1), np.float32),
            "small": np.array([1 / 128], np.float32),
            "back": np.array([offset], np.float32),
            "w": random_floats(rng, 4, 3, 3, 3),
        },
    )


def test_a_foreign_entrance_melts_into_the_first_layer(
    rng: np.random.Generator, tensor: NDArray[np.float32]
) -> None:
    graph = foreign_entrance(rng, -127.5 / 128)
    expected = run(graph, tensor)
    fold_entrance(graph)
    assert operators(graph) == ["Conv"]
    np.testing.assert_allclose(run(graph, tensor), expected, atol=1e-4)


def test_an_offset_that_padding_would_see_stays(
    rng: np.random.Generator, tensor: NDArray[np.float32]
) -> None:
    graph = foreign_entrance(rng, 0.25)
    expected = run(graph, tensor)
    fold_entrance(graph)
    assert operators(graph).count("Add") == 2
    np.testing.assert_array_equal(run(graph, tensor), expected)
