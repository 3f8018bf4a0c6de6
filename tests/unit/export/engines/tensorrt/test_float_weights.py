"""Integers before a DQ become FP32 before a Q and a DQ, and not a bit of the answer changes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_graphs import graph_file

from embedge.export.engines.tensorrt.float_weights import (
    _dequantised,
    float_weights,
    float_weights_from_qdq,
    integer_weights,
)
from embedge.export.graph.surgery import Graph


@given(
    arrays(np.int8, (3, 8), elements=st.integers(-127, 127)),
    arrays(np.float32, 3, elements=st.floats(2**-60, 2**60, width=32)),
)
def test_every_code_comes_back(codes: np.ndarray, scale: np.ndarray) -> None:
    weight = _dequantised(codes, scale, 0)
    assert weight.dtype == np.float32
    assert np.array_equal(np.rint(weight / scale[:, None]), codes)


def test_the_answer_stays_the_same_to_the_bit(tmp_path: Path) -> None:
    graph = graph_file(tmp_path / "a.onnx", "int8", codes=True)
    float_weights_from_qdq(graph, tmp_path / "b.onnx")
    images = np.random.default_rng(0).normal(size=(3, 3, 112, 112)).astype(np.float32)
    first, second = (answer(path, images) for path in (graph, tmp_path / "b.onnx"))
    assert np.array_equal(first, second)
    model = Graph.from_model(onnx.load(tmp_path / "b.onnx"))
    assert integer_weights(model) == []
    assert len(integer_weights(Graph.from_model(onnx.load(graph)))) == 2
    assert model.metadata  # the contract stays


def test_a_graph_that_has_them_already_is_left_alone(tmp_path: Path) -> None:
    graph = Graph.from_model(onnx.load(graph_file(tmp_path / "a.onnx", "int8")))
    before = [node.SerializeToString() for node in graph.nodes]
    float_weights(graph)
    assert [node.SerializeToString() for node in graph.nodes] == before


def answer(path: Path, images: np.ndarray) -> np.ndarray:
    """As the graph says it: no optimizer may move a rounding."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]
