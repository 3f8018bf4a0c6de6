"""Small ONNX graphs written by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from embedge.export.graph.surgery import Graph
from embedge.runtime.encoders.sessions import ort_session


def graph_of(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, NDArray[Any]],
    *,
    shape: Sequence[int | str] = ("batch", 3, 112, 112),
    opset: int = 17,
) -> Graph:
    """Input `x` of this shape; the last node's output is the graph's."""
    last = nodes[-1].output[0]
    graph = helper.make_graph(
        list(nodes),
        "hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    domains = sorted({node.domain for node in nodes} - {""})
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    typed = onnx.shape_inference.infer_shapes(model)
    if typed.graph.output[0].type.tensor_type.HasField("shape"):
        model.graph.output[0].CopyFrom(typed.graph.output[0])
    else:  # an operator that shape inference does not know
        model.graph.output[0].CopyFrom(
            helper.make_tensor_value_info(last, TensorProto.FLOAT, list(shape))
        )
    return Graph.from_model(model)


def run(graph: Graph, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = ort_session(graph.copy().to_model().SerializeToString())
    return session.run(None, {graph.inputs[0].name: x})[0]


def reference(graph: Graph, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """onnx's own evaluator; it knows Q and DQ from opset 19 on, which mean the same in 17."""
    model = graph.copy().to_model()
    model.opset_import[0].version = 19
    answers: Any = ReferenceEvaluator(model).run(None, {graph.inputs[0].name: x})
    return answers[0]


def operators(graph: Graph) -> list[str]:
    return [node.op_type for node in graph.nodes]


def random_floats(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.normal(size=shape).astype(np.float32)
