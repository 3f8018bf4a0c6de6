from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_face import DIM

from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph, attribute
from embedge.export.int8 import placement
from embedge.export.int8.placement import Target, cheap_ends, enters_in_float, layer_macs
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.runtime.contract import EmbeddingContract
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded


@pytest.fixture(scope="module")
def shares(student_file: Path, pictures: NDArray[np.uint8]) -> dict[str, float]:
    return layer_macs(canonical(Graph.read(student_file)), pictures[:1])


def test_the_shares_add_up(shares: dict[str, float]) -> None:
    assert sum(shares.values()) == pytest.approx(1)


def test_a_layer_is_counted_as_places_times_weights(
    student_file: Path, shares: dict[str, float]
) -> None:
    graph = canonical(Graph.read(student_file))
    gemm = next(node for node in graph.nodes if node.op_type == "Gemm")
    stem = next(n for n in graph.nodes if n.op_type == "Conv" and n.input[0] == "image")
    stride, weights = attribute(stem, "strides")[0], graph.constants[stem.input[1]].size
    ratio = DIM * graph.constants[gemm.input[1]].shape[1] / (weights * (112 // stride) ** 2)
    assert shares[gemm.name] / shares[stem.name] == pytest.approx(ratio)


def test_the_last_layers_of_a_mobilefacenet(
    contract: EmbeddingContract, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    """The convolution over the whole map and the product; not the wide layer before them."""
    net = mobilefacenet(DIM, scale=1, width=0.25, activation="relu")
    onnx_from_student(net, contract, tmp_path / "s.onnx")
    graph = canonical(Graph.read(tmp_path / "s.onnx"))
    found = cheap_ends(graph, pictures[:1], "trt")
    nodes = [node for node in graph.nodes if node.name in found]
    assert [node.op_type for node in nodes] == ["Conv", "Gemm"]
    assert graph.constants[nodes[0].input[1]].shape[2:] == (7, 7)
    assert 0 < sum(found.values()) <= 0.005


@pytest.fixture
def narrow(contract: EmbeddingContract, tmp_path: Path) -> Path:
    with seeded(0):
        net = mobilefacenet(DIM, scale=1, width=0.25, activation="prelu")
    onnx_from_student(net, contract, tmp_path / "s.onnx", lower=False)
    return tmp_path / "s.onnx"


def test_what_reads_the_picture_stays_in_float_for_onnxruntime(
    narrow: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    """With the depthwise convolution behind it; then the picture needs no grid and no shift."""
    graph = canonical(Graph.read(narrow))
    kept = cheap_ends(graph, pictures[:1], "cpu").keys() - cheap_ends(graph, pictures[:1], "trt")
    layers = [node for node in graph.nodes if node.name in kept]
    assert [attribute(node, "group", 1) for node in layers] == [1, 16]
    assert layers[0].input[0] == graph.inputs[0].name
    firsts: tuple[tuple[Target, set[str]], ...] = (("cpu", {"Conv"}), ("trt", {"Add"}))
    for target, first in firsts:
        qdq_from_onnx(narrow, pictures, tmp_path / "q.onnx", target=target)
        made = Graph.read(tmp_path / "q.onnx")
        assert {node.op_type for node in made.consumers(made.inputs[0].name)} == first
    plan = qdq_from_onnx(narrow, pictures, tmp_path / "q.onnx")
    assert kept <= plan.last.keys()


def test_an_entrance_that_costs_much_is_quantised(
    narrow: Path, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_LITTLE", 0.01)
    graph = canonical(Graph.read(narrow))
    first = graph.consumers(graph.inputs[0].name)
    assert not enters_in_float(graph, cheap_ends(graph, pictures[:1], "cpu"))
    assert enters_in_float(graph, [node.name for node in first])


def test_a_depthwise_convolution_far_from_the_picture_is_quantised(
    narrow: Path, pictures: NDArray[np.uint8]
) -> None:
    """Behind other layers, and behind more ways through additions than anybody could walk."""
    graph = canonical(Graph.read(narrow))
    source = graph.inputs[0].name
    stem = graph.consumers(source)[0]
    square = np.zeros((3, 3, 1, 1), np.float32)
    square[range(3), range(3)] = 1
    tensor = graph.emit("Conv", [source, graph.add_constant("same", square)], hint="before")
    for _ in range(64):
        tensor = graph.emit("Add", [tensor, tensor], hint="twice")
    stem.input[0] = tensor
    kept = cheap_ends(graph, pictures[:1], "cpu").keys() - cheap_ends(graph, pictures[:1], "trt")
    assert kept == set()


def test_costly_last_layers_are_not_closing(
    student_file: Path, pictures: NDArray[np.uint8], shares: dict[str, float]
) -> None:
    found = cheap_ends(canonical(Graph.read(student_file)), pictures[:1], "trt")
    assert sum(found.values()) <= 0.005
    assert np.all([shares[name] == share for name, share in found.items()])
