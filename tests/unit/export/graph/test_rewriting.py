"""Every rewriting of a float graph leaves what it computes alone."""

import numpy as np
import pytest
from graphs import graph_of, operators, run
from onnx import helper
from small_face import small_face

from embedge.export.graph.canonical import canonical
from embedge.export.graph.entrance import exact_entrance, fold_entrance
from embedge.export.graph.groups import widen_groups
from embedge.export.graph.observe import DEFAULT_DOOR, batches_of
from embedge.export.graph.prelu import lower_prelu, slope_of, tame_slopes
from embedge.export.graph.surgery import Graph
from embedge.export.int8.arithmetic import activation_scale
from embedge.export.int8.equalise import channel_bounds, equalise
from embedge.export.student import onnx_from_student
from embedge.runtime.encoders import tensor_from_crops

node = helper.make_node


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def floats(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.fixture
def student(student_file):
    return canonical(Graph.read(student_file))


@pytest.fixture
def tensor(pictures):
    return tensor_from_crops(pictures[:4], DEFAULT_DOOR)


def test_canonical_is_the_same_from_either_export(tmp_path, net, contract, tensor):
    for lower in (True, False):
        onnx_from_student(net, contract, tmp_path / f"{lower}.onnx", lower=lower)
    graphs = [canonical(Graph.read(tmp_path / f"{lower}.onnx")) for lower in (True, False)]
    assert sorted(operators(graphs[0])) == sorted(operators(graphs[1]))
    assert operators(graphs[0]).count("PRelu") == 4
    np.testing.assert_allclose(run(graphs[0], tensor), run(graphs[1], tensor), atol=1e-5)


def test_an_exporter_that_leaves_everything_apart_is_gathered(rng):
    x = floats(rng, 2, 3, 8, 8)
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
            "w0": floats(rng, 4, 3, 8, 8),
            "b": floats(rng, 1, 4, 1, 1),
            "g": floats(rng, 4),
            "be": floats(rng, 4),
            "m": floats(rng, 4),
            "v": np.abs(floats(rng, 4)) + 0.1,
            "k": floats(rng, 4, 1, 1),
            "mm": floats(rng, 4, 5),
            "mb": floats(rng, 5),
        },
        shape=("batch", 3, 8, 8),
    )
    expected = run(graph, x)
    canonical(graph)
    assert operators(graph) == ["Conv", "Flatten", "Gemm"]
    np.testing.assert_allclose(run(graph, x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", ["max", "relu"])
def test_a_lowered_prelu_is_recognised(rng, form):
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


def test_the_scaled_form_is_recognised(student, tensor):
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


def test_a_slope_of_one_is_lowered_too(student, tensor):
    prelu = next(n for n in student.nodes if n.op_type == "PRelu")
    slope = slope_of(student, prelu).copy()
    slope[:3] = [[[1.0]], [[0.99999]], [[-1.0]]]
    student.constants[prelu.input[1]] = slope
    expected = run(student, tensor)
    lower_prelu(student)
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)


def test_a_sum_that_is_no_prelu_stays(rng):
    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Mul", ["rest", "r"], ["u"]),
        node("Mul", ["a", "x"], ["l"]),
        node("Add", ["u", "l"], ["y"]),
    ]
    half = np.full((3, 1, 1), 0.4, np.float32)
    graph = canonical(graph_of(nodes, {"a": half, "rest": half}, shape=("batch", 3, 4, 4)))
    assert "PRelu" not in operators(graph)


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
    x = floats(rng, 2, groups * inputs, 6, 6)
    graph = graph_of(
        [node("Conv", ["x", "w"], ["y"], group=groups, pads=[1, 1, 1, 1])],
        {"w": floats(rng, groups * outputs, inputs, 3, 3)},
        shape=("batch", groups * inputs, 6, 6),
    )
    expected = run(graph, x)
    widen_groups(graph)
    assert graph.constants[graph.nodes[0].input[1]].shape[1] > inputs
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-4)


def test_pairs_between_anything_stay_right(rng):
    """Picks that no convolution can absorb remain and compute the same."""
    x = floats(rng, 2, 8, 6, 6)
    graph = graph_of(
        [
            node("Sigmoid", ["x"], ["s"]),
            node("Conv", ["s", "w", "b"], ["c"], group=4),
            node("Sigmoid", ["c"], ["y"]),
        ],
        {"w": floats(rng, 8, 2, 3, 3), "b": floats(rng, 8)},
        shape=("batch", 8, 6, 6),
    )
    expected = run(graph, x)
    widen_groups(graph)
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-5)


def foreign_entrance(rng, offset):
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
            "up": np.float32([127.5]),
            "start": np.int64([-1]),
            "stop": np.int64([-(2**63)]),
            "axis": np.int64([1]),
            "step": np.int64([-1]),
            "zero": np.zeros((1, 3, 1, 1), np.float32),
            "one": np.ones((1, 3, 1, 1), np.float32),
            "small": np.float32([1 / 128]),
            "back": np.float32([offset]),
            "w": floats(rng, 4, 3, 3, 3),
        },
    )


def test_a_foreign_entrance_melts_into_the_first_layer(rng, tensor):
    graph = foreign_entrance(rng, -127.5 / 128)
    expected = run(graph, tensor)
    fold_entrance(graph)
    assert operators(graph) == ["Conv"]
    np.testing.assert_allclose(run(graph, tensor), expected, atol=1e-4)


def test_an_offset_that_padding_would_see_stays(rng, tensor):
    graph = foreign_entrance(rng, 0.25)
    expected = run(graph, tensor)
    fold_entrance(graph)
    assert operators(graph).count("Add") == 2
    np.testing.assert_array_equal(run(graph, tensor), expected)


def test_every_grey_level_is_a_code(student, pictures):
    ((name, bounds),) = exact_entrance(student, DEFAULT_DOOR).items()
    greys = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    shifted = tensor_from_crops(greys, DEFAULT_DOOR) - np.float32(0.5 / 127.5)
    for symmetric, first in ((False, 0), (True, -128)):
        scale = activation_scale(bounds, symmetric=symmetric)
        codes = scale.codes(shifted)[0, 0].astype(int).ravel()
        np.testing.assert_array_equal(codes, np.arange(256) + first)
    assert student.producer(name).op_type == "Add"


def test_the_shift_is_undone_in_the_bias(student, tensor):
    expected = run(student, tensor)
    exact_entrance(student, DEFAULT_DOOR)
    found = run(student, tensor)
    assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_equalised_channels_have_one_range(student, pictures, tensor):
    expected = run(student, tensor)
    inner = next(
        n.input[0]
        for n in student.nodes
        if n.op_type == "Conv" and student.constants[n.input[1]].shape[:2] == (32, 1)
    )
    both = [inner, student.producer(inner).input[0]]  # the two ends of a PReLU
    before = _spread(student, both, pictures)
    assert equalise(student, batches_of(pictures)) > 0
    np.testing.assert_allclose(run(student, tensor), expected, atol=1e-5)
    assert before > 2.5
    assert _spread(student, both, pictures) < 1.01


def _spread(graph, names, pictures):
    """How much wider the widest channel is than most of the others."""
    bounds = np.max([*channel_bounds(graph, names, batches_of(pictures)).values()], axis=0)
    return bounds.max() / np.quantile(bounds, 0.25)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_equalisation_respects_other_activations(tmp_path, contract, pictures, tensor, activation):
    onnx_from_student(small_face(activation), contract, tmp_path / "s.onnx")
    graph = canonical(Graph.read(tmp_path / "s.onnx"))
    expected = run(graph, tensor)
    equalise(graph, batches_of(pictures))
    np.testing.assert_allclose(run(graph, tensor), expected, atol=1e-5)
