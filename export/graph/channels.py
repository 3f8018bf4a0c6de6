"""Channels of Conv and Gemm: scaling them, and picking them for free.

A pick is a Gather along the channels; `absorb_picks` moves it into the weights around it.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.surgery import Graph, attribute, copy_message

__all__ = [
    "absorb_picks",
    "group_count",
    "is_conv",
    "is_depthwise",
    "is_weighted",
    "pick_channels",
    "read_channels",
    "scale_input_channels",
    "scale_output_channels",
    "shift_bias",
]

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
_ELEMENTWISE = {"PRelu", "Relu", "LeakyRelu", "Clip"}


def is_weighted(graph: Graph, node: NodeProto) -> bool:
    """A Conv or Gemm whose weights are known."""
    return node.op_type in {"Conv", "Gemm"} and node.input[1] in graph.constants


def is_conv(graph: Graph, node: NodeProto) -> bool:
    """A Conv whose weights are known."""
    return node.op_type == "Conv" and is_weighted(graph, node)


def group_count(node: NodeProto) -> int:
    return int(attribute(node, "group", 1)) if node.op_type == "Conv" else 1


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
        if slope.size > 1:
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
