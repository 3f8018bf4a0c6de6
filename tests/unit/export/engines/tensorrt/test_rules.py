"""TensorRT's rules, on graphs written by hand."""

import numpy as np
import pytest
from graphs import graph_of
from onnx import helper

from embedge.errors import EmbedgeError
from embedge.export.engines.tensorrt.rules import (
    lower_opset,
    require_tensorrt,
    require_tensorrt_8,
)
from embedge.export.graph.surgery import Graph

node = helper.make_node


def pair(zero: np.generic) -> Graph:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["x.q"], name="q"),
        node("DequantizeLinear", ["x.q", "s", "z"], ["y"], name="dq"),
    ]
    return graph_of(nodes, {"s": np.array(0.1, np.float32), "z": np.asarray(zero)})


def test_symmetric_codes_are_taken() -> None:
    require_tensorrt(pair(np.int8(0)).to_model())


@pytest.mark.parametrize(
    ("zero", "words"), [(np.uint8(128), "works on uint8"), (np.int8(3), "zero point other than")]
)
def test_other_codes_are_refused_with_the_node(zero: np.generic, words: str) -> None:
    with pytest.raises(EmbedgeError, match=f"E-TRT-GRAPH.*node q .*{words}"):
        require_tensorrt(pair(zero).to_model())


def test_computing_on_codes_is_refused() -> None:
    graph = pair(np.int8(0))
    graph.nodes[1] = node("Max", ["x.q", "x.q"], ["y"], name="top")
    with pytest.raises(EmbedgeError, match=r"E-TRT-GRAPH.*node top .*computes on codes"):
        require_tensorrt(graph.to_model())


def test_an_opset_is_lowered_only_where_nothing_changes() -> None:
    graph = graph_of([node("Relu", ["x"], ["y"])], {}, opset=20)
    lower_opset(graph, 17)
    assert graph.opset == 17
    lower_opset(graph, 19)
    assert graph.opset == 17  # never raised
    newer = graph_of([node("Gelu", ["x"], ["y"], name="g")], {}, opset=20)
    with pytest.raises(EmbedgeError, match=r"E-OPSET.*node g \(Gelu\)"):
        lower_opset(newer, 17)


def test_integer_weights_are_refused_for_tensorrt_8_only() -> None:
    graph = graph_of(
        [node("DequantizeLinear", ["w.q", "s", "z"], ["y"], name="dq")],
        {"w.q": np.ones(4, np.int8), "s": np.array(0.1, np.float32), "z": np.array(0, np.int8)},
    )
    require_tensorrt(graph.to_model())
    with pytest.raises(EmbedgeError, match=r"E-TRT-GRAPH.*node dq .*INT8 weights"):
        require_tensorrt_8(graph.to_model())
