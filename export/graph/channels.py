"""Scaling and picking single channels of Conv and Gemm weights."""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.surgery import Graph, attribute

__all__ = [
    "group_count",
    "is_depthwise",
    "is_weighted",
    "scale_input_channels",
    "scale_output_channels",
    "shift_bias",
]

Floats = NDArray[np.floating]


def is_weighted(graph: Graph, node: NodeProto) -> bool:
    """A Conv or Gemm whose weights are known."""
    return node.op_type in {"Conv", "Gemm"} and node.input[1] in graph.constants


def group_count(node: NodeProto) -> int:
    return int(attribute(node, "group", 1)) if node.op_type == "Conv" else 1


def is_depthwise(graph: Graph, node: NodeProto) -> bool:
    """One filter per channel."""
    if node.op_type != "Conv":
        return False
    outputs, inputs = graph.constants[node.input[1]].shape[:2]
    return inputs == 1 and group_count(node) == outputs


def shift_bias(graph: Graph, node: NodeProto, offset: Floats) -> None:
    """Add to what a Conv or Gemm writes, channel by channel."""
    if len(node.input) > 2:
        _replace(graph, node, 2, graph.constants[node.input[2]] + offset)
    else:
        node.input.append(graph.add_constant(f"{node.input[1]}.bias", offset.astype(np.float32)))


def scale_output_channels(graph: Graph, node: NodeProto, factor: Floats) -> None:
    """Multiply what a Conv or Gemm writes, channel by channel."""
    weight = graph.constants[node.input[1]]
    columns = factor.reshape(-1, *(1,) * (weight.ndim - 1))
    _replace(graph, node, 1, weight * columns)
    if len(node.input) > 2:
        _replace(graph, node, 2, graph.constants[node.input[2]] * factor)


def scale_input_channels(graph: Graph, node: NodeProto, factor: Floats) -> None:
    """Multiply what a Conv reads, channel by channel; zero padding stays zero."""
    weight = graph.constants[node.input[1]]
    groups = group_count(node)
    outputs, inputs = weight.shape[:2]
    first = np.arange(outputs) // (outputs // groups) * inputs
    channel = first[:, None] + np.arange(inputs)[None, :]
    columns = factor[channel].reshape(outputs, inputs, *(1,) * (weight.ndim - 2))
    _replace(graph, node, 1, weight * columns)


def _replace(graph: Graph, node: NodeProto, position: int, value: Floats) -> None:
    hint = node.input[position]
    node.input[position] = graph.add_constant(hint, value.astype(np.float32))
