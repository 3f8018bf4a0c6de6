"""The graph in memory: edited, copied, written; and files that are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import graph_of, operators, run
from onnx import helper

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph, attribute, node_place

node = helper.make_node


@pytest.fixture
def graph() -> Graph:
    nodes = [node("Relu", ["x"], ["r"], name="cut"), node("Mul", ["r", "two"], ["y"], name="twice")]
    return graph_of(nodes, {"two": np.array(2, np.float32)}, shape=("batch", 3))


def test_names_are_never_taken_twice(graph: Graph) -> None:
    assert graph.fresh("r") == "r.1"
    assert graph.fresh("r") == "r.2"
    assert graph.add_constant("two", np.array(3, np.float32)) == "two.1"


def test_appended_nodes_are_sorted_and_the_unread_is_dropped(graph: Graph) -> None:
    twice = graph.nodes[1]
    twice.input[0] = graph.emit("Neg", ["r"], hint="negated")
    graph.emit("Exp", ["r"], hint="nobody")
    graph.add_constant("nothing", np.array(1, np.float32))
    graph.tidy()
    assert operators(graph) == ["Relu", "Neg", "Mul"]
    assert list(graph.constants) == ["two"]


def test_a_missing_input_is_named(graph: Graph) -> None:
    graph.nodes[1].input[0] = "absent"
    with pytest.raises(ValueError, match="missing input at twice"):
        graph.tidy()


def test_bypassing_the_last_node_keeps_the_name_of_the_output(graph: Graph) -> None:
    graph.bypass(graph.nodes[1])
    graph.tidy()
    assert operators(graph) == ["Relu"]
    x = np.array([[-1, 0, 2]], np.float32)
    np.testing.assert_array_equal(run(graph, x), [[0, 0, 2]])


def test_a_copy_is_independent(graph: Graph) -> None:
    copy = graph.copy()
    copy.nodes[0].op_type = "Neg"
    copy.constants["two"] = np.array(9, np.float32)
    assert graph.nodes[0].op_type == "Relu"
    assert graph.constants["two"] == 2


def test_only_consumer_is_none_for_an_output(graph: Graph) -> None:
    assert graph.only_consumer("r") is graph.nodes[1]
    assert graph.only_consumer("y") is None
    assert graph.producer("r") is graph.nodes[0]


def test_attributes_are_python_values() -> None:
    one = node("Cast", ["x"], ["y"], name="c", to=1, note=b"text")
    assert attribute(one, "to") == 1
    assert attribute(one, "note") == "text"
    assert attribute(one, "absent", 7) == 7
    assert node_place(one) == "node c (Cast)"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "no such ONNX file"),
        (lambda path: path.write_bytes(b"\xff\xff"), "does not parse"),
        (lambda path: onnx.save(onnx.ModelProto(), path), "has no nodes"),
    ],
)
def test_a_file_that_is_no_model_is_refused(
    graph: Graph, tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "m.onnx"
    graph.write(path)
    spoil(path)
    with pytest.raises(EmbedgeError, match=f"E-GRAPH.*{words}"):
        Graph.read(path)


def test_weights_in_a_second_file_are_refused(tmp_path: Path) -> None:
    conv = node("Conv", ["x", "w"], ["y"])
    graph = graph_of([conv], {"w": np.ones((8, 3, 9, 9), np.float32)})
    model, path = graph.to_model(), tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    with pytest.raises(EmbedgeError, match=r"E-EXTERNAL-DATA.*second file"):
        Graph.read(path)
