"""PReLU and small groups in forms that kernels are fast at. All are exact.

ONNX Runtime's PRelu visits one element at a time, and it has no quantised kernel. In float,
`a·x + (1−a)·relu(x)` is built from vectorised operators. In 8 bits `max(x, a·x)` is a product
and a maximum of codes; it needs a ≤ 1, which turning the sign of a channel achieves.

It runs one small matrix product per group: 64 groups of two channels take longer than the rest
of a MobileFaceNet. Two channels per group are four depthwise convolutions and two additions;
other small groups are merged into wider ones whose cross terms are zero.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import (
    absorb_picks,
    group_count,
    is_conv,
    is_weighted,
    pick_channels,
    scale_input_channels,
    scale_output_channels,
)
from embedge.export.graph.surgery import Graph, attribute, copy_message

__all__ = ["lower_prelu", "slope_of", "tame_slopes", "widen_groups"]

Floats = NDArray[np.floating]
_NEAR_ONE = 1e-3  # a ratio a/(1−a) of a thousand would cost float32 its last digits
_WIDE_ENOUGH = 32


def _prelu_nodes(graph: Graph) -> list[NodeProto]:
    """The PReLUs whose slopes are known."""
    return [n for n in graph.nodes if n.op_type == "PRelu" and n.input[1] in graph.constants]


def slope_of(graph: Graph, node: NodeProto) -> Floats:
    return graph.constants[node.input[1]]


def lower_prelu(graph: Graph) -> Graph:
    """PReLU from Relu, Mul and Add, in place.

    Between convolutions the factor 1−a goes into the one before, and three operators do:
    with x' = |1−a|·x, PReLU_a(x) = ±(relu(x') + a/(1−a)·x'); the sign goes into the ones after.
    """
    for node in _prelu_nodes(graph):
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
    if not alone or node.output[0] in ends or not all(is_conv(graph, r) for r in readers):
        return None
    return maker, readers


def tame_slopes(graph: Graph) -> None:
    """Turn channels with a slope above one around: PReLU_a(x) = −a·PReLU_{1/a}(−x)."""
    for node in _prelu_nodes(graph):
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


def widen_groups(graph: Graph) -> Graph:
    """Rewrite small groups in place."""
    for node in list(graph.nodes):
        if not is_conv(graph, node) or group_count(node) == 1:
            continue
        outputs, inputs = graph.constants[node.input[1]].shape[:2]
        per_group = outputs // group_count(node)
        if inputs == per_group == 2:
            _split_pairs(graph, node)
        elif 1 < inputs < _WIDE_ENOUGH:
            _merge(graph, node, inputs, per_group)
    graph.tidy()
    absorb_picks(graph)
    _cut_before_joining(graph)
    graph.tidy()
    return graph


def _split_pairs(graph: Graph, node: NodeProto) -> None:
    """Even and odd channels apart: y_o = conv(x_even, w[o, 0]) + conv(x_odd, w[o, 1])."""
    weight = graph.constants[node.input[1]]
    count, result = weight.shape[0], node.output[0]
    halves = [np.arange(start, count, 2) for start in (0, 1)]
    sources = [
        pick_channels(graph, node.input[0], half, hint=f"{result}.in{position}")
        for position, half in enumerate(halves)
    ]
    sums = list[str]()
    for half in halves:
        terms = [
            _depthwise(
                graph, node, source, weight[half, place : place + 1], half if place == 0 else None
            )
            for place, source in enumerate(sources)
        ]
        sums.append(graph.emit("Add", terms, hint=f"{result}.sum"))
    joined = graph.emit("Concat", sums, hint=f"{result}.joined", axis=1)
    back = pick_channels(graph, joined, np.argsort(np.concatenate(halves)), hint=f"{result}.back")
    graph.remove(node)
    graph.emit("Identity", [back], hint=result, output=result)
    identity = graph.nodes[-1]
    graph.bypass(identity)


def _depthwise(
    graph: Graph, node: NodeProto, source: str, weight: Floats, bias_of: NDArray[np.int64] | None
) -> str:
    part = copy_message(node)
    part.name = graph.fresh(f"{node.name}.part")
    part.output[0] = graph.fresh(f"{node.output[0]}.part")
    inputs = [source, graph.add_constant(f"{node.input[1]}.part", weight)]
    if bias_of is not None and len(node.input) > 2:
        bias = graph.constants[node.input[2]][bias_of]
        inputs.append(graph.add_constant(f"{node.input[2]}.part", bias))
    part.input[:] = inputs
    _set_groups(part, len(weight))
    graph.nodes.append(part)
    return str(part.output[0])


def _cut_before_joining(graph: Graph) -> None:
    """Concat, ReLU  →  ReLU on each part, Concat: then the parts are added and joined as codes."""
    for join in [node for node in graph.nodes if node.op_type == "Concat"]:
        cut = graph.only_consumer(join.output[0])
        if cut is None or cut.op_type not in {"Relu", "Clip"} or attribute(join, "axis") != 1:
            continue
        for place, part in enumerate(join.input):
            twin = copy_message(cut)
            twin.name = graph.fresh(f"{cut.name}.part")
            twin.input[0], twin.output[0] = part, graph.fresh(f"{cut.output[0]}.part")
            graph.nodes.append(twin)
            join.input[place] = twin.output[0]
        graph.remove(cut)
        join.output[0] = cut.output[0]


def _merge(graph: Graph, node: NodeProto, inputs: int, outputs: int) -> None:
    groups = group_count(node)
    together = min(groups, -(-_WIDE_ENOUGH // inputs))
    while groups % together:
        together += 1
    weight = graph.constants[node.input[1]]
    shape = (weight.shape[0], inputs * together, *weight.shape[2:])
    wide = np.zeros(shape, weight.dtype)
    for row in range(weight.shape[0]):
        first = (row // outputs) % together * inputs
        wide[row, first : first + inputs] = weight[row]
    node.input[1] = graph.add_constant(node.input[1], wide)
    _set_groups(node, groups // together)


def _set_groups(node: NodeProto, count: int) -> None:
    next(item for item in node.attribute if item.name == "group").i = count
