"""Where Q and DQ go, and which layers cost so little that they stay in float.

Quantised are the tensors that quantised operators read: convolutions and matrix products with
known weights, residual additions, PReLU. A tensor is quantised once, where it is made, so that
its maker can write codes; every reader gets a DequantizeLinear of its own.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import is_depthwise, slope_of
from embedge.export.graph.running import Images, batches_of, observe, read_contract
from embedge.export.graph.surgery import Graph, is_weighted
from embedge.export.int8.ranges import (
    Range,
    Scale,
    activation_scale,
    bias_codes,
    weight_codes,
    weight_scales,
)

__all__ = [
    "INT8",
    "SYMMETRIC",
    "Target",
    "Wanted",
    "activation_scales",
    "cheap_ends",
    "enters_in_float",
    "is_hard_swish",
    "layer_macs",
    "place",
    "slope_scale",
    "wanted_tensors",
]

Target = Literal["cpu", "qdq", "trt", "trt8"]
"""ONNX Runtime; portable Q/DQ for NPU tools and converters; TensorRT; TensorRT 8"""
INT8: dict[str, Target] = {
    "int8-cpu": "cpu",
    "int8-trt": "trt",
    "int8-openvino": "trt",  # its int8 kernels want zero points of zero as well
    "int8-qdq": "qdq",
}
"""Artifacts of a bundle, and what each is quantised for."""
SYMMETRIC: frozenset[Target] = frozenset({"trt", "trt8"})
_MOVES_VALUES = {"Concat", "Flatten", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
_NEXT_TO_NOTHING, _VERY_LITTLE, _LITTLE = 0.005, 0.01, 0.2  # of all multiplications


@dataclass(slots=True)
class Wanted:
    """The nodes that run in INT8 and the tensors that need a range; `leader` shares ranges."""

    nodes: list[NodeProto] = field(default_factory=list)
    leader: dict[str, str] = field(default_factory=dict)

    @property
    def tensors(self) -> list[str]:
        return sorted(self.leader)

    def root(self, tensor: str) -> str:
        while self.leader[tensor] != tensor:
            tensor = self.leader[tensor]
        return tensor

    def add(self, tensor: str) -> None:
        self.leader.setdefault(tensor, tensor)

    def share(self, first: str, second: str) -> None:
        self.add(first)
        self.add(second)
        self.leader[self.root(second)] = self.root(first)


def wanted_tensors(graph: Graph, target: Target, *, kept: frozenset[str] = frozenset()) -> Wanted:
    """What to quantise. `kept` names nodes that stay in float."""
    wanted = Wanted()
    for node in graph.nodes:
        if node.name in kept:
            continue
        if is_weighted(graph, node):
            wanted.nodes.append(node)
            wanted.add(node.input[0])
        elif node.op_type == "Add" and not any(name in graph.constants for name in node.input):
            wanted.nodes.append(node)
            for name in _quantised_terms(graph, node, target):
                wanted.add(name)
    for node in reversed(graph.nodes):
        if node.output[0] in wanted.leader and node.name not in kept:
            _extend_upwards(graph, node, wanted, target)
    return wanted


def _extend_upwards(graph: Graph, node: NodeProto, wanted: Wanted, target: Target) -> None:
    """What writes a quantised tensor passes codes on, where it can: its ends share one range."""
    if target == "qdq" and node.op_type == "PRelu" and node.input[1] in graph.constants:
        wanted.nodes.append(node)  # an operator of its own there, each end with its own range
        wanted.add(node.input[0])
        return
    if target not in SYMMETRIC and is_hard_swish(graph, node):
        wanted.nodes.append(node)
        wanted.add(node.input[0])
        return
    moves = node.op_type in _MOVES_VALUES
    prelu = target == "cpu" and node.op_type == "PRelu" and _is_integer_prelu(graph, node)
    if not moves and not prelu:
        return
    wanted.nodes.append(node)
    sources = node.input if node.op_type == "Concat" else node.input[:1]
    for name in sources:
        wanted.share(name, node.output[0])


def is_hard_swish(graph: Graph, node: NodeProto) -> bool:
    """One that alone reads a range that nobody shares, so that what it ignores needs no codes."""
    maker = graph.producer(node.input[0]) if node.op_type == "HardSwish" else None
    if maker is None or graph.only_consumer(node.input[0]) is not node:
        return False
    joined = maker.input if maker.op_type == "Concat" else ()
    alone = all(graph.only_consumer(name) is maker for name in joined)
    return alone and (maker.op_type == "Concat" or maker.op_type not in _MOVES_VALUES)


def _is_integer_prelu(graph: Graph, node: NodeProto) -> bool:
    slope = graph.constants.get(node.input[1])
    return slope is not None and bool(np.all(slope <= 1))


def _quantised_terms(graph: Graph, node: NodeProto, target: Target) -> list[str]:
    """The inputs of a residual addition that are read as codes.

    ONNX Runtime adds codes. TensorRT adds inside the convolution that ends the branch, in
    float, if its output was not rounded first: only the skip branch carries a quantiser.
    """
    terms = list(dict.fromkeys(node.input))
    if target not in SYMMETRIC or len(terms) < 2:
        return terms
    for name in reversed(terms):
        maker = graph.producer(name)
        fusible = maker is not None and is_weighted(graph, maker)
        if fusible and graph.only_consumer(name) is node:
            return [other for other in terms if other != name]
    return terms


def place(
    graph: Graph, wanted: Wanted, ranges: dict[str, Range], target: Target, *, bits: int = 8
) -> None:
    """Insert Q/DQ in place. `ranges` knows every root."""
    scales = activation_scales(wanted, ranges, target)
    sources = [node.input[0] for node in wanted.nodes]
    readers = {name: graph.consumers(name) for name in scales}
    codes = {name: graph.fresh(f"{name}.q") for name in scales}
    prelus = [node for node in wanted.nodes if node.op_type == "PRelu"]
    integer = {node.output[0] for node in prelus if target == "cpu"}
    for name, scale in scales.items():
        if name not in integer:
            quantise(graph, name, scale, output=codes[name])
        for reader in readers[name]:
            graph.rewire(name, dequantise(graph, codes[name], scale), [reader])
    for node, source in zip(wanted.nodes, sources):
        if node.op_type == "PRelu" and target == "qdq":
            _quantise_slope(graph, node)
        elif node.op_type == "PRelu":
            _integer_prelu(graph, node, codes[source], scales[source], codes[node.output[0]])
        elif node.op_type == "HardSwish" and target == "cpu":
            _integer_hard_swish(graph, node, codes[source], scales[source])
        elif is_weighted(graph, node):
            _quantise_weights(graph, node, scales[source], bits=bits, bias=target not in SYMMETRIC)
    graph.tidy()


def activation_scales(wanted: Wanted, ranges: dict[str, Range], target: Target) -> dict[str, Scale]:
    """The scale of each tensor: around zero for TensorRT."""
    return {
        name: activation_scale(ranges[wanted.root(name)], symmetric=target in SYMMETRIC)
        for name in wanted.tensors
    }


def quantise(graph: Graph, tensor: str, scale: Scale, *, output: str | None = None) -> str:
    inputs = [tensor, *_scale_constants(graph, tensor, scale)]
    return graph.emit("QuantizeLinear", inputs, hint=output or f"{tensor}.q", output=output)


def dequantise(graph: Graph, codes: str, scale: Scale) -> str:
    inputs = [codes, *_scale_constants(graph, codes, scale)]
    return graph.emit("DequantizeLinear", inputs, hint=f"{codes.removesuffix('.q')}.dq")


def _scale_constants(graph: Graph, hint: str, scale: Scale) -> tuple[str, str]:
    return (
        graph.add_constant(f"{hint}.scale", np.asarray(scale.scale, np.float32)),
        graph.add_constant(f"{hint}.zero", np.asarray(scale.zero, scale.kind)),
    )


def slope_scale(slope: NDArray[np.floating]) -> Scale:
    """The U8 grid of the slopes of one PReLU."""
    bounds = Range(min(float(slope.min()), 0.0), max(float(slope.max()), 0.0))
    return activation_scale(bounds, symmetric=False)


def _integer_prelu(graph: Graph, node: NodeProto, codes: str, scale: Scale, output: str) -> None:
    """max(x, a·x) in codes: both sides of the maximum have one scale and one zero."""
    slope = slope_of(graph, node)
    grid = slope_scale(slope)
    name = graph.add_constant(f"{node.input[1]}.q", grid.codes(slope))
    factor = dequantise(graph, name, grid)
    product = graph.emit("Mul", [node.input[0], factor], hint=f"{node.output[0]}.linear")
    graph.remove(node)
    graph.emit("Max", [codes, quantise(graph, product, scale)], hint=output, output=output)


def _integer_hard_swish(graph: Graph, node: NodeProto, codes: str, scale: Scale) -> None:
    """x · clip(x + 3, 0, 6) / 6 by an addition whose codes saturate where the clip does."""
    output = node.output[0]
    three = Scale(np.float32(3 / 255), 0, np.uint8)
    name = graph.add_constant(f"{output}.three", np.array(255, np.uint8))
    total = graph.emit("Add", [node.input[0], dequantise(graph, name, three)], hint=f"{output}.sum")
    gate = quantise(graph, total, Scale(np.float32(6 / 255), 0, np.uint8))
    sixth = dequantise(graph, gate, Scale(np.float32(1 / 255), 0, np.uint8))
    graph.remove(node)
    graph.emit("Mul", [dequantise(graph, codes, scale), sixth], hint=output, output=output)


def _quantise_slope(graph: Graph, node: NodeProto) -> None:
    slope = graph.constants[node.input[1]]
    grid = slope_scale(slope)
    codes = graph.add_constant(f"{node.input[1]}.q", grid.codes(slope))
    node.input[1] = dequantise(graph, codes, grid)


def _quantise_weights(
    graph: Graph, node: NodeProto, source: Scale, *, bits: int, bias: bool
) -> None:
    weight = graph.constants[node.input[1]]
    offset = graph.constants[node.input[2]] if len(node.input) > 2 else None
    scales = weight_scales(weight, offset, source.scale, bits=bits)
    codes = weight_codes(weight, scales, bits=bits)
    node.input[1] = _dequantised_constant(graph, node.input[1], codes, scales)
    if bias and offset is not None:
        both = scales * source.scale
        node.input[2] = _dequantised_constant(graph, node.input[2], bias_codes(offset, both), both)


def _dequantised_constant(
    graph: Graph, hint: str, codes: NDArray[np.signedinteger], scales: NDArray[np.float32]
) -> str:
    inputs = [
        graph.add_constant(f"{hint}.q", codes),
        graph.add_constant(f"{hint}.scale", scales),
        graph.add_constant(f"{hint}.zero", np.zeros(scales.shape, codes.dtype)),
    ]
    return graph.emit("DequantizeLinear", inputs, hint=f"{hint}.dq", axis=0)


def layer_macs(graph: Graph, picture: Images) -> dict[str, float]:
    """The share of every Conv and Gemm in the multiplications of the graph."""
    layers = [node for node in graph.nodes if is_weighted(graph, node)]
    values = next(
        observe(graph, [n.output[0] for n in layers], batches_of(picture, read_contract(graph)))
    )
    macs = {
        node.name: _places(values[node.output[0]]) * graph.constants[node.input[1]].size
        for node in layers
    }
    total = sum(macs.values())
    return {name: count / total for name, count in macs.items()}


def _places(value: NDArray[np.generic]) -> int:
    """How often the weights are used: in the pixels of a map, or the rows of a matrix."""
    return int(value.size // value.shape[1])


def cheap_ends(graph: Graph, picture: Images, target: Target) -> dict[str, float]:
    """The layers at both ends that cost next to nothing, and the share of each.

    In a face network a convolution over the whole map and a matrix product write the embedding:
    what they round nothing averages out any more, and 8 bits cannot make them noticeably faster.
    On the other end a convolution reads three channels, too few for INT8's dot products of four,
    and a depthwise one has nine products to a sum: ONNX Runtime is slower there in 8 bits than in
    float, and of all layers none costs a network in U8 more of its nearness.
    """
    shares = layer_macs(graph, picture)
    return _last(graph, shares) | (_first(graph, shares) if target == "cpu" else {})


def enters_in_float(graph: Graph, kept: Collection[str]) -> bool:
    """Whether every layer that reads the picture stays in float."""
    return all(reader.name in kept for reader in graph.consumers(graph.inputs[0].name))


def _first(graph: Graph, shares: dict[str, float]) -> dict[str, float]:
    """What reads the picture, and the depthwise convolution: one that was split is its parts."""
    first = next((n for n in graph.nodes if n.name in shares and is_depthwise(graph, n)), None)
    if first is None:
        return {}
    readers = {reader.name for reader in graph.consumers(graph.inputs[0].name)}
    before = shares.keys() & _upstream(graph, first)
    behind = {name: share for name, share in shares.items() if _layer(name) == _layer(first.name)}
    both = {name: shares[name] for name in readers & shares.keys()} | behind
    if before <= readers and sum(both.values()) <= _LITTLE:
        return both
    return behind if sum(behind.values()) <= _VERY_LITTLE else {}


def _layer(name: str) -> str:
    return name.partition(".part")[0]


def _upstream(graph: Graph, node: NodeProto) -> set[str]:
    """The nodes that a node is computed from."""
    found, open_ends = set[str](), list(node.input)
    while open_ends:
        maker = graph.producer(open_ends.pop())
        if maker is not None and maker.name not in found:
            found.add(maker.name)
            open_ends += maker.input
    return found


def _last(graph: Graph, shares: dict[str, float]) -> dict[str, float]:
    found, spent = dict[str, float](), 0.0
    node = graph.producer(graph.outputs[0].name)
    while node is not None and sum(name not in graph.constants for name in node.input) == 1:
        if node.name in shares:
            spent += shares[node.name]
            if spent > _NEXT_TO_NOTHING:
                break
            found[node.name] = shares[node.name]
        node = graph.producer(node.input[0])
    return found
