"""What lies between the picture and the first convolution goes into that one's weights."""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.running import evaluated
from embedge.export.graph.surgery import Graph, group_count, is_conv

__all__ = ["fold_entrance"]

_LINEAR = {"Add", "Sub", "Mul", "Div", "Slice", "Gather"}
_EXACT = 1e-5  # of the largest number: what single precision leaves of an offset that cancels


def fold_entrance(graph: Graph) -> bool:
    """Factors and an order of the colours; an offset stays, as padding would have none."""
    way, first = _way_in(graph)
    if not way or first is None:
        return False
    weight = graph.constants[first.input[1]]
    mixed = _mixed(graph, way, weight.shape[1])
    if mixed is None:
        return False
    folded = np.einsum("oi...,ij->oj...", weight.astype(np.float64), mixed)
    first.input[:2] = [
        graph.inputs[0].name,
        graph.add_constant(first.input[1], folded.astype(np.float32)),
    ]
    graph.remove(*way)
    return True


def _way_in(graph: Graph) -> tuple[list[NodeProto], NodeProto | None]:
    """The steps that a picture takes one after another, and the convolution that they lead to."""
    way: list[NodeProto] = []
    tensor = graph.inputs[0].name
    while (node := graph.only_consumer(tensor)) is not None:
        if is_conv(graph, node) and node.input[0] == tensor and group_count(node) == 1:
            return way, node
        others = [name for name in node.input if name != tensor]
        if node.op_type not in _LINEAR or any(name not in graph.constants for name in others):
            break
        way.append(node)
        tensor = node.output[0]
    return way, None


def _mixed(graph: Graph, way: list[NodeProto], channels: int) -> NDArray[np.float64] | None:
    """The matrix that it multiplies every pixel's colours by; None where it does something else."""
    dims = graph.inputs[0].type.tensor_type.shape.dim
    shape = tuple(dim.dim_value for dim in dims)[1:]
    if len(shape) != 3 or min(shape) < 1 or shape[0] != channels:
        return None
    pure = np.zeros((channels, *shape))
    pure[range(channels), range(channels)] = 1
    any_picture = np.random.default_rng(0).standard_normal(shape)
    tried = np.stack([np.zeros(shape), *pure, any_picture]).astype(np.float32)
    found: NDArray[np.generic] = tried
    place = graph.inputs[0].name
    for node in way:
        (found,) = evaluated(graph, node, {place: found})
        place = node.output[0]
    if found.shape != tried.shape:
        return None
    nothing, *columns, any_answer = found.astype(np.float64)
    mixed = np.stack([column[:, 0, 0] for column in columns], axis=1)
    wrong = np.abs(any_answer - np.einsum("ij,jhw->ihw", mixed, any_picture)).max()
    largest = np.abs(mixed).max()
    return mixed if max(wrong, np.abs(nothing).max()) <= _EXACT * largest else None
