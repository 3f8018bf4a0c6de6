"""What an exporter put between the picture and the first convolution is in that one's weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import graph_of, operators, random_floats, run
from onnx import helper

from embedge.export.graph.surgery import Graph
from embedge.export.intake.entrance import fold_entrance

node = helper.make_node
SIDE = 8
TURNED: dict[str, tuple[list[onnx.NodeProto], dict[str, Any]]] = {
    "by steps": (
        [node("Slice", ["a", "starts", "ends", "axes", "steps"], ["b"])],
        {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": 1, "steps": -1},
    ),
    "by a pick": ([node("Gather", ["a", "order"], ["b"], axis=1)], {"order": [2, 0, 1]}),
}


def left(graph: Graph) -> list[str]:
    """What the graph consists of afterwards."""
    fold_entrance(graph)
    graph.tidy()
    return operators(graph)


def graph_with(
    rng: np.random.Generator,
    steps: Sequence[onnx.NodeProto],
    constants: dict[str, Any],
    *,
    shape: Sequence[int | str] = ("batch", 3, SIDE, SIDE),
) -> Graph:
    whole = {name: np.atleast_1d(np.array(value, np.int64)) for name, value in constants.items()}
    scales: dict[str, np.ndarray] = {
        "high": np.array(127.5, np.float32),
        "mean": random_floats(rng, 1, 3, 1, 1),
        "std": np.array([0.2, 0.3, 0.4], np.float32).reshape(1, 3, 1, 1),
        "w": random_floats(rng, 4, 3, 3, 3),
    }
    made = [
        *steps,
        node("Conv", ["d", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Flatten", ["c"], ["y"]),
    ]
    return graph_of(made, whole | scales, shape=shape)


@pytest.mark.parametrize("way", TURNED)
def test_an_order_of_colours_and_numbers_that_cancel(rng: np.random.Generator, way: str) -> None:
    steps, constants = TURNED[way]
    steps = [
        node("Mul", ["x", "high"], ["m"]),
        node("Add", ["m", "high"], ["a"]),
        *steps,
        node("Sub", ["b", "high"], ["s"]),
        node("Div", ["s", "std"], ["d"]),
    ]
    graph = graph_with(rng, steps, constants)
    x = random_floats(rng, 2, 3, SIDE, SIDE)
    before = run(graph, x)
    assert left(graph) == ["Conv", "Flatten"]
    np.testing.assert_allclose(run(graph, x), before, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("step", "constants"),
    [
        (node("Sub", ["x", "mean"], ["d"]), {}),  # at the edge it would be padded by something else
        (
            node("Slice", ["x", "starts", "ends", "axes", "steps"], ["d"]),  # a mirror
            {"starts": -1, "ends": np.iinfo(np.int64).min, "axes": 3, "steps": -1},
        ),
        (node("Gather", ["x", "order"], ["d"], axis=2), {"order": np.roll(range(SIDE), -1)}),
        (node("Mul", ["x", "x"], ["d"]), {}),
    ],
    ids=["an offset", "a mirror", "rows in another order", "a square"],
)
def test_whatever_else_it_does_stays(
    rng: np.random.Generator, step: onnx.NodeProto, constants: dict[str, Any]
) -> None:
    graph = graph_with(rng, [step], constants)
    x = random_floats(rng, 2, 3, SIDE, SIDE)
    before = run(graph, x)
    assert left(graph) == [step.op_type, "Conv", "Flatten"]
    np.testing.assert_allclose(run(graph, x), before, rtol=1e-5, atol=1e-5)


PICKED = node("Gather", ["x", "order"], ["d"], axis=1)


def test_colours_that_something_else_reads_too_stay(rng: np.random.Generator) -> None:
    graph = graph_of(
        [
            PICKED,
            node("Conv", ["d", "w"], ["c"], pads=[1, 1, 1, 1]),
            node("Conv", ["d", "v"], ["e"], pads=[1, 1, 1, 1]),
            node("Add", ["c", "e"], ["y"]),
        ],
        {"w": random_floats(rng, 4, 3, 3, 3), "v": random_floats(rng, 4, 3, 3, 3)}
        | {"order": np.array([2, 1, 0])},
        shape=("batch", 3, SIDE, SIDE),
    )
    assert left(graph).count("Gather") == 1


def test_a_picture_of_unknown_size_is_left(rng: np.random.Generator) -> None:
    graph = graph_with(rng, [PICKED], {"order": [2, 1, 0]}, shape=("batch", 3, "h", "w"))
    assert left(graph) == ["Gather", "Conv", "Flatten"]
