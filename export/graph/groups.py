"""Convolutions in many small groups, written as what kernels are fast at.

ONNX Runtime runs one small matrix product per group: 64 groups of two channels take longer than
the rest of a MobileFaceNet. Two channels per group are four depthwise convolutions and two
additions; other small groups are merged into wider ones whose cross terms are zero. Both are exact.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import group_count, is_weighted
from embedge.export.graph.picks import absorb_picks, pick_channels
from embedge.export.graph.surgery import Graph, attribute, copy_message

__all__ = ["widen_groups"]

Floats = NDArray[np.floating]
_WIDE_ENOUGH = 32


def widen_groups(graph: Graph) -> Graph:
    """Rewrite small groups in place."""
    for node in list(graph.nodes):
        if node.op_type != "Conv" or not is_weighted(graph, node) or group_count(node) == 1:
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
    part: NodeProto = copy_message(node)
    part.name = graph.fresh(f"{node.name}.part")
    part.output[0] = graph.fresh(f"{node.output[0]}.part")
    inputs = [source, graph.add_constant(f"{node.input[1]}.part", weight)]
    if bias_of is not None and len(node.input) > 2:
        bias = graph.constants[node.input[2]][bias_of]
        inputs.append(graph.add_constant(f"{node.input[2]}.part", bias))
    part.input[:] = inputs
    _set_groups(part, len(weight))
    graph.nodes.append(part)
    return part.output[0]


def _cut_before_joining(graph: Graph) -> None:
    """Concat, ReLU  →  ReLU on each part, Concat: then the parts are added and joined as codes."""
    for join in [node for node in graph.nodes if node.op_type == "Concat"]:
        cut = graph.only_consumer(join.output[0])
        if cut is None or cut.op_type not in {"Relu", "Clip"} or attribute(join, "axis") != 1:
            continue
        for place, part in enumerate(join.input):
            twin: NodeProto = copy_message(cut)
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
