"""INT8 weights as TensorRT 8 takes them: in FP32, with a Q and a DQ of their own.

The guide of TensorRT 8 knows quantised weights as FP32 constants that IQuantizeLayer rounds; INT8
constants before a DQ are of TensorRT 10. What is written is code x scale, so every code comes back.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto

from embedge.export.graph.surgery import Graph, attribute

__all__ = ["float_weights", "float_weights_from_qdq", "integer_weights"]


def integer_weights(graph: Graph) -> list[NodeProto]:
    """The DequantizeLinear nodes that read a constant of integers."""
    nodes = [node for node in graph.nodes if node.op_type == "DequantizeLinear"]
    constants = [(node, graph.constants.get(node.input[0])) for node in nodes]
    return [node for node, codes in constants if codes is not None and codes.dtype == np.int8]


def float_weights(graph: Graph) -> None:
    """In place. The model computes what it computed before, to the bit."""
    for node in integer_weights(graph):
        codes, scale = (graph.constants[name] for name in node.input[:2])
        axis = int(attribute(node, "axis", 1))
        hint = node.input[0].removesuffix(".q")
        weight = graph.add_constant(hint, _dequantised(codes, scale, axis))
        pair = [weight, *node.input[1:]]
        node.input[0] = graph.emit("QuantizeLinear", pair, hint=f"{hint}.codes", axis=axis)
    graph.tidy()


def _dequantised(codes: np.ndarray, scale: np.ndarray, axis: int) -> np.ndarray:
    wide = [1] * codes.ndim
    if scale.ndim:
        wide[axis] = scale.size
    steps = scale.reshape(wide if scale.ndim else ())
    return np.asarray(codes.astype(scale.dtype) * steps)


def float_weights_from_qdq(path_in: Path, path_out: Path) -> None:
    """For a graph that was written for TensorRT 10, on a device that has TensorRT 8."""
    graph = Graph.from_model(onnx.load(path_in))
    float_weights(graph)
    graph.write(path_out)
