"""PReLU in forms that a target runs fast. All are exact.

ONNX Runtime's PRelu visits one element at a time, and it has no quantised kernel. In float,
`a·x + (1−a)·relu(x)` is built from vectorised operators. In 8 bits `max(x, a·x)` is a product
and a maximum of codes; it needs a ≤ 1, which turning the sign of a channel achieves.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.channels import is_weighted, scale_input_channels, scale_output_channels
from embedge.export.surgery import Graph

__all__ = ["lower_prelu", "prelu_nodes", "slope_of", "tame_slopes"]


def prelu_nodes(graph: Graph) -> list[NodeProto]:
    """The PReLUs whose slopes are known."""
    return [n for n in graph.nodes if n.op_type == "PRelu" and n.input[1] in graph.constants]


def slope_of(graph: Graph, node: NodeProto) -> NDArray[np.floating]:
    return graph.constants[node.input[1]]


def lower_prelu(graph: Graph) -> Graph:
    """PReLU(x) = a·x + (1−a)·relu(x), in place."""
    for node in prelu_nodes(graph):
        slope, source, result = slope_of(graph, node), node.input[0], node.output[0]
        bent = graph.emit("Relu", [source], hint=f"{result}.relu")
        one_less = graph.add_constant(f"{result}.rest", (1 - slope).astype(np.float32))
        name = graph.add_constant(f"{result}.slope", slope)
        linear = graph.emit("Mul", [source, name], hint=f"{result}.linear")
        upper = graph.emit("Mul", [bent, one_less], hint=f"{result}.upper")
        graph.remove(node)
        graph.emit("Add", [linear, upper], hint=result, output=result)
    graph.tidy()
    return graph


def tame_slopes(graph: Graph) -> None:
    """Turn channels with a slope above one around: PReLU_a(x) = −a·PReLU_{1/a}(−x)."""
    for node in prelu_nodes(graph):
        slope = slope_of(graph, node)
        steep = slope > 1
        maker = graph.producer(node.input[0])
        readers = graph.consumers(node.output[0])
        if not steep.any() or maker is None or not is_weighted(graph, maker):
            continue
        alone = graph.only_consumer(maker.output[0]) is node
        ends = {item.name for item in graph.outputs}
        if not alone or node.output[0] in ends or any(not _is_conv(graph, r) for r in readers):
            continue
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
