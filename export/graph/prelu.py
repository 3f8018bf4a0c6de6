"""PReLU in forms that a target runs fast. All are exact.

ONNX Runtime's PRelu visits one element at a time, and it has no quantised kernel. In float,
`a·x + (1−a)·relu(x)` is built from vectorised operators. In 8 bits `max(x, a·x)` is a product
and a maximum of codes; it needs a ≤ 1, which turning the sign of a channel achieves.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import is_weighted, scale_input_channels, scale_output_channels
from embedge.export.graph.surgery import Graph

__all__ = ["lower_prelu", "prelu_nodes", "slope_of", "tame_slopes"]

_NEAR_ONE = 1e-3  # a ratio a/(1−a) of a thousand would cost float32 its last digits


def prelu_nodes(graph: Graph) -> list[NodeProto]:
    """The PReLUs whose slopes are known."""
    return [n for n in graph.nodes if n.op_type == "PRelu" and n.input[1] in graph.constants]


def slope_of(graph: Graph, node: NodeProto) -> NDArray[np.floating]:
    return graph.constants[node.input[1]]


def lower_prelu(graph: Graph) -> Graph:
    """PReLU from Relu, Mul and Add, in place.

    Between convolutions the factor 1−a goes into the one before, and three operators do:
    with x' = |1−a|·x, PReLU_a(x) = ±(relu(x') + a/(1−a)·x'); the sign goes into the ones after.
    """
    for node in prelu_nodes(graph):
        between = _between_convolutions(graph, node)
        away_from_one = np.all(np.abs(1 - slope_of(graph, node)) > _NEAR_ONE)
        if between is not None and away_from_one:
            _lower_scaled(graph, node, *between)
        else:
            _lower_plain(graph, node)
    graph.tidy()
    return graph


def _lower_plain(graph: Graph, node: NodeProto) -> None:
    """a·x + (1−a)·relu(x)"""
    slope, source, result = slope_of(graph, node), node.input[0], node.output[0]
    bent = graph.emit("Relu", [source], hint=f"{result}.relu")
    one_less = graph.add_constant(f"{result}.rest", (1 - slope).astype(np.float32))
    name = graph.add_constant(f"{result}.slope", slope)
    linear = graph.emit("Mul", [source, name], hint=f"{result}.linear")
    upper = graph.emit("Mul", [bent, one_less], hint=f"{result}.upper")
    graph.remove(node)
    graph.emit("Add", [linear, upper], hint=result, output=result)


def _lower_scaled(
    graph: Graph, node: NodeProto, maker: NodeProto, readers: list[NodeProto]
) -> None:
    slope, source, result = slope_of(graph, node), node.input[0], node.output[0]
    channels = graph.constants[maker.input[1]].shape[0]
    rest = np.broadcast_to(1 - slope.astype(np.float64).reshape(-1), (channels,))
    scale_output_channels(graph, maker, np.abs(rest))
    for reader in readers:
        scale_input_channels(graph, reader, np.sign(rest))
    ratio = (slope / (1 - slope.astype(np.float64))).astype(np.float32)
    bent = graph.emit("Relu", [source], hint=f"{result}.relu")
    name = graph.add_constant(f"{result}.ratio", ratio)
    linear = graph.emit("Mul", [source, name], hint=f"{result}.linear")
    graph.remove(node)
    graph.emit("Add", [bent, linear], hint=result, output=result)


def _between_convolutions(
    graph: Graph, node: NodeProto
) -> tuple[NodeProto, list[NodeProto]] | None:
    """(the layer that writes only for this PReLU, the convolutions that alone read it)"""
    maker = graph.producer(node.input[0])
    if maker is None or not is_weighted(graph, maker):
        return None
    readers = graph.consumers(node.output[0])
    alone = graph.only_consumer(maker.output[0]) is node
    ends = {item.name for item in graph.outputs}
    if not alone or node.output[0] in ends or not all(_is_conv(graph, r) for r in readers):
        return None
    return maker, readers


def tame_slopes(graph: Graph) -> None:
    """Turn channels with a slope above one around: PReLU_a(x) = −a·PReLU_{1/a}(−x)."""
    for node in prelu_nodes(graph):
        slope = slope_of(graph, node)
        steep = slope > 1
        between = _between_convolutions(graph, node)
        if not steep.any() or between is None:
            continue
        maker, readers = between
        channels = graph.constants[maker.input[1]].shape[0]
        steep_of = np.broadcast_to(steep.reshape(-1), (channels,))
        slope_by = np.broadcast_to(slope.reshape(-1), (channels,))
        scale_output_channels(graph, maker, np.where(steep_of, -1.0, 1.0))
        for reader in readers:
            scale_input_channels(graph, reader, np.where(steep_of, -slope_by, 1.0))
        turned = np.where(steep, 1 / np.where(steep, slope, 1), slope).astype(np.float32)
        node.input[1] = graph.add_constant(node.input[1], turned)


def _is_conv(graph: Graph, node: NodeProto) -> bool:
    return node.op_type == "Conv" and is_weighted(graph, node)
