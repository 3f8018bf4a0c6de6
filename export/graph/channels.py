"""Exact rewritings of layers, channel by channel: factors, picks, and forms that kernels like.

A pick is a Gather along the channels; `absorb_picks` moves it into the weights around it.

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

from embedge.export.graph.surgery import (
    Graph,
    attribute,
    copy_message,
    group_count,
    is_conv,
    is_weighted,
)

__all__ = [
    "absorb_picks",
    "is_depthwise",
    "lower_prelu",
    "pick_channels",
    "read_channels",
    "scale_input_channels",
    "scale_output_channels",
    "shift_bias",
    "slope_of",
    "tame_slopes",
    "widen_groups",
]

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
_ELEMENTWISE = {"PRelu", "Relu", "LeakyRelu", "Clip", "HardSwish"}
_NEAR_ONE = 1e-3  # a ratio a/(1−a) of a thousand would cost float32 its last digits
_WIDE_ENOUGH = 32


def is_depthwise(graph: Graph, node: NodeProto) -> bool:
    """One filter per channel."""
    if node.op_type != "Conv":
        return False
    outputs, inputs = graph.constants[node.input[1]].shape[:2]
    return bool(inputs == 1 and group_count(node) == outputs)


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
    columns = factor[read_channels(graph, node)]
    _replace(graph, node, 1, weight * columns.reshape(*columns.shape, *(1,) * (weight.ndim - 2)))


def read_channels(graph: Graph, node: NodeProto) -> Indices:
    """(outputs, inputs of one group): which channel each weight of a Conv or Gemm reads."""
    outputs, inputs = graph.constants[node.input[1]].shape[:2]
    first = np.arange(outputs) // (outputs // group_count(node)) * inputs
    channels: Indices = first[:, None] + np.arange(inputs)[None, :]
    return channels


def _replace(graph: Graph, node: NodeProto, position: int, value: Floats) -> None:
    hint = node.input[position]
    node.input[position] = graph.add_constant(hint, value.astype(np.float32))


def pick_channels(graph: Graph, tensor: str, channels: Indices, *, hint: str) -> str:
    """A Gather along axis 1; `absorb_picks` removes it where it can."""
    name = graph.add_constant(f"{hint}.channels", channels.astype(np.int64))
    return graph.emit("Gather", [tensor, name], hint=hint, axis=1)


def absorb_picks(graph: Graph) -> None:
    """Move every pick up into the layer that writes its channels, or down into the readers."""
    while any(_move(graph, node) for node in _picks(graph)):
        graph.tidy()


def _picks(graph: Graph) -> list[NodeProto]:
    return [
        node
        for node in graph.nodes
        if node.op_type == "Gather"
        and attribute(node, "axis", 0) == 1
        and node.input[1] in graph.constants
        and graph.constants[node.input[1]].ndim == 1
    ]


def _move(graph: Graph, pick: NodeProto) -> bool:
    """One step towards a convolution that can absorb the pick, if there is one either way."""
    maker = graph.producer(pick.input[0])
    if maker is not None and _leads_up(graph, maker):
        return _move_up(graph, pick, maker)
    reader = graph.only_consumer(pick.output[0])
    channels = graph.constants[pick.input[1]]
    whole = np.array_equal(np.sort(channels), np.arange(channels.size))
    if whole and reader is not None and _leads_down(graph, reader):
        _move_down(graph, pick, reader)
        return True
    return False


def _leads_up(graph: Graph, maker: NodeProto | None) -> bool:
    while maker is not None and maker.op_type in _ELEMENTWISE:
        maker = graph.producer(maker.input[0])
    return maker is not None and _absorbs(graph, maker) and _only_picked(graph, maker.output[0])


def _only_picked(graph: Graph, tensor: str) -> bool:
    """Whether nobody needs all of a tensor's channels, so that twins cost no more than it did."""
    return all(
        reader.op_type == "Gather"
        or (reader.op_type in _ELEMENTWISE and _only_picked(graph, reader.output[0]))
        for reader in graph.consumers(tensor)
    )


def _leads_down(graph: Graph, reader: NodeProto | None) -> bool:
    while reader is not None and reader.op_type in _ELEMENTWISE:
        reader = graph.only_consumer(reader.output[0])
    return reader is not None and _absorbs(graph, reader)


def _absorbs(graph: Graph, node: NodeProto) -> bool:
    return is_conv(graph, node) and group_count(node) == 1


def _move_up(graph: Graph, pick: NodeProto, maker: NodeProto) -> bool:
    """The maker's twin writes the picked channels only."""
    channels = graph.constants[pick.input[1]]
    twin = _twin(graph, maker, pick)
    if maker.op_type == "Conv":
        for position, value in list(graph.constant_inputs(twin)):
            twin.input[position] = graph.add_constant(twin.input[position], value[channels])
    else:
        twin.input[0] = pick_channels(graph, maker.input[0], channels, hint=pick.output[0])
        _pick_slope(graph, twin, channels)
    return True


def _twin(graph: Graph, maker: NodeProto, pick: NodeProto) -> NodeProto:
    twin = copy_message(maker)
    twin.name = graph.fresh(f"{maker.name}.part")
    twin.output[:] = pick.output
    graph.remove(pick)
    graph.nodes.append(twin)
    return twin


def _pick_slope(graph: Graph, node: NodeProto, channels: Indices) -> None:
    if node.op_type == "PRelu":
        slope = graph.constants[node.input[1]]
        if slope.ndim and len(slope) > 1:
            node.input[1] = graph.add_constant(node.input[1], slope[channels])


def _move_down(graph: Graph, pick: NodeProto, reader: NodeProto) -> None:
    channels = graph.constants[pick.input[1]]
    if reader.op_type != "Conv":
        _swap(graph, pick, reader, np.argsort(channels))
        return
    weight = graph.constants[reader.input[1]]
    moved = np.empty_like(weight)
    moved[:, channels] = weight
    reader.input[1] = graph.add_constant(reader.input[1], moved)
    graph.bypass(pick)


def _swap(graph: Graph, pick: NodeProto, reader: NodeProto, back: Indices) -> None:
    """pick, f  →  f, pick."""
    result = reader.output[0]
    inner = graph.fresh(f"{result}.before")
    reader.input[0], reader.output[0] = pick.input[0], inner
    _pick_slope(graph, reader, back)
    pick.input[0], pick.output[0] = inner, result


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
    slope, channels = slope_of(graph, node), graph.constants[maker.input[1]].shape[0]
    if slope.size > 1 and slope.shape != (channels, 1, 1):  # one for each place of the picture
        return None
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
