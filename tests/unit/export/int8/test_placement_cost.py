import numpy as np
import pytest
from small_face import DIM

from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph, attribute
from embedge.export.int8.placement import cheap_ends, layer_macs
from embedge.export.student import onnx_from_student
from embedge.train.models import mobilefacenet


@pytest.fixture(scope="module")
def shares(student_file, pictures):
    return layer_macs(canonical(Graph.read(student_file)), pictures[:1])


def test_the_shares_add_up(shares):
    assert sum(shares.values()) == pytest.approx(1)


def test_a_layer_is_counted_as_places_times_weights(student_file, shares):
    graph = canonical(Graph.read(student_file))
    gemm = next(node for node in graph.nodes if node.op_type == "Gemm")
    stem = next(n for n in graph.nodes if n.op_type == "Conv" and n.input[0] == "image")
    stride, weights = attribute(stem, "strides")[0], graph.constants[stem.input[1]].size
    ratio = DIM * graph.constants[gemm.input[1]].shape[1] / (weights * (112 // stride) ** 2)
    assert shares[gemm.name] / shares[stem.name] == pytest.approx(ratio)


def test_the_last_layers_of_a_mobilefacenet(contract, pictures, tmp_path):
    """The convolution over the whole map and the product; not the wide layer before them."""
    net = mobilefacenet(DIM, scale=1, width=0.25, activation="relu")
    onnx_from_student(net, contract, tmp_path / "s.onnx")
    graph = canonical(Graph.read(tmp_path / "s.onnx"))
    found = cheap_ends(graph, pictures[:1], "trt")
    nodes = [node for node in graph.nodes if node.name in found]
    assert [node.op_type for node in nodes] == ["Conv", "Gemm"]
    assert graph.constants[nodes[0].input[1]].shape[2:] == (7, 7)
    assert 0 < sum(found.values()) <= 0.005


def test_costly_last_layers_are_not_closing(student_file, pictures, shares):
    found = cheap_ends(canonical(Graph.read(student_file)), pictures[:1], "trt")
    assert sum(found.values()) <= 0.005
    assert np.all([shares[name] == share for name, share in found.items()])
