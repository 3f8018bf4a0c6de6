"""What INT8 would lose is taken back while the graph is in float.

What foreign graphs do to a picture (colour order, scale, offset) is folded into the first
convolution. Then, before ranges are chosen, the picture is shifted onto the 8-bit grid, and every
channel of a tensor is given the same range, since all of them will share one scale. Convolution,
addition, PReLU and ReLU commute with a positive factor per channel: a factor on what a layer writes
is undone in what the next layers read, and a depthwise layer absorbs it without loss because its
weights have a scale per channel anyway. The function of the graph stays the same.

Once scales are known, what rounding does to a layer's mean output is taken off its bias. A layer
computes W·x and will compute Q(W)·Q(x): the difference of the means is known per output channel
from the means of x and Q(x), and a bias can undo it exactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.canonical import affine_from, channel_vector
from embedge.export.graph.channels import (
    absorb_picks,
    is_depthwise,
    pick_channels,
    read_channels,
    scale_input_channels,
    scale_output_channels,
    shift_bias,
)
from embedge.export.graph.running import observe
from embedge.export.graph.surgery import Graph, group_count, is_conv, is_weighted
from embedge.export.int8.placement import Target, Wanted, activation_scales
from embedge.export.int8.ranges import Range, Scale, weight_codes, weight_scales
from embedge.runtime.contract import EmbeddingContract

__all__ = [
    "Means",
    "channel_bounds",
    "correct_biases",
    "equalise",
    "exact_entrance",
    "fold_entrance",
]

Floats = NDArray[np.floating]
# The means of a tensor's channels before and after a scale rounds it.
Means = dict[tuple[str, Scale], tuple[Floats, Floats]]
_HOMOGENEOUS = {"PRelu", "Relu", "LeakyRelu", "Add"}
_DENSE_SHARE = 0.5
_WHITE = 255
_COLOURS = 3
_NOTHING_ADDED = 1e-6  # of the picture's range: what float32 leaves of an offset that cancels
_SPREAD = 32.0  # no channel is stretched or shrunk by more: dead ones would take all the room


def fold_entrance(graph: Graph) -> None:
    """Fold per-channel arithmetic on the input into the first convolution."""
    source = graph.inputs[0].name
    factor, offset = np.ones(_COLOURS), np.zeros(_COLOURS)
    order = np.arange(_COLOURS)
    chain = list[NodeProto]()
    node = graph.only_consumer(source)
    while node is not None and not is_weighted(graph, node):
        if (step := _affine_on_colours(graph, node)) is not None:
            factor, offset = factor * step[0], offset * step[0] + step[1]
        elif (picked := _reordering(graph, node)) is not None:
            order, factor, offset = order[picked], factor[picked], offset[picked]
        else:
            return
        chain.append(node)
        node = graph.only_consumer(node.output[0])
    if not chain or node is None or not is_conv(graph, node) or group_count(node) != 1:
        return
    if np.any(np.abs(offset) > _NOTHING_ADDED):
        return  # an offset does not commute with zero padding
    scale_input_channels(graph, node, factor)
    graph.remove(*chain)
    node.input[0] = pick_channels(graph, source, order, hint="image.order")
    absorb_picks(graph)


def _affine_on_colours(graph: Graph, node: NodeProto) -> tuple[Floats, Floats] | None:
    vector = channel_vector(graph, node.input[1], _COLOURS, 4) if len(node.input) == 2 else None
    return None if vector is None else affine_from(node.op_type, vector)


def _reordering(graph: Graph, node: NodeProto) -> NDArray[np.int64] | None:
    """The channels that a Slice along axis 1 keeps, when it keeps all of them."""
    if node.op_type != "Slice" or any(name not in graph.constants for name in node.input[1:]):
        return None
    start, stop, axes, steps = (graph.constants[name].reshape(-1) for name in node.input[1:5])
    if axes.tolist() != [1]:
        return None
    # ONNX says "to the very beginning" with a number below every index
    end = None if stop[0] < -_COLOURS else int(stop[0])
    picked = np.arange(_COLOURS)[slice(int(start[0]), end, int(steps[0]))]
    return picked if picked.size == _COLOURS else None


def exact_entrance(graph: Graph, contract: EmbeddingContract) -> dict[str, Range]:
    """Shift the picture onto the 8-bit grid; returns the range of the shifted picture.

    (u − 127.5) / 127.5 lies between two codes everywhere, so a quantiser would round every pixel;
    (u − 128) / 127.5 lies on the codes, and the picture enters without loss.
    """
    if isinstance(contract.mean, tuple) or isinstance(contract.std, tuple):
        return {}  # no one grid holds three colours that are scaled differently
    source = graph.inputs[0].name
    readers = graph.consumers(source)
    if not all(is_conv(graph, reader) for reader in readers):
        return {}
    if contract.mean % 1 == 0 and 0 <= contract.mean <= _WHITE:  # the grid holds zero already
        dark = -contract.mean / contract.std
        return {source: Range(dark, dark + _WHITE / contract.std)}
    if contract.mean % 1 != 0.5:
        return {}
    half = 0.5 / contract.std
    name = graph.add_constant("image.grid.shift", np.asarray(-half, np.float32))
    shifted = graph.emit("Add", [source, name], hint="image.grid")
    for reader in readers:
        weight = graph.constants[reader.input[1]].astype(np.float64)
        shift_bias(graph, reader, half * weight.reshape(len(weight), -1).sum(axis=1))
        reader.input[0] = shifted
    graph.tidy()
    dark = -(contract.mean + 0.5) / contract.std
    return {shifted: Range(dark, dark + _WHITE / contract.std)}


@dataclass(slots=True)
class _Class:
    """Tensors whose channels must share their factors."""

    tensors: list[str] = field(default_factory=list)
    writers: list[NodeProto] = field(default_factory=list)
    readers: list[NodeProto] = field(default_factory=list)
    free: bool = True

    def depthwise_only(self, graph: Graph) -> bool:
        return all(is_depthwise(graph, node) for node in self.readers)


def equalise(graph: Graph, batches: Iterable[NDArray[np.float32]]) -> None:
    """Scale channels in place.

    Depthwise readers allow full equalisation; where a dense layer reads the channels only the
    power `_DENSE_SHARE` of it is done, because there it moves the spread into the weights.
    """
    classes = [c for c in _classes(graph) if c.free and c.writers and c.readers]
    tensors = sorted({name for c in classes for name in c.tensors})
    bounds = channel_bounds(graph, tensors, batches)
    for group in classes:
        spread = np.max([bounds[name] for name in group.tensors], axis=0)
        share = 1.0 if group.depthwise_only(graph) else _DENSE_SHARE
        _apply(graph, group, _factors(spread, share))


def channel_bounds(
    graph: Graph, tensors: list[str], batches: Iterable[NDArray[np.float32]]
) -> dict[str, Floats]:
    """The largest magnitude of each channel over all pictures."""
    bounds = dict[str, Floats]()
    for values in observe(graph, tensors, batches):
        for name, value in values.items():
            largest = np.abs(value).max(axis=(0, *range(2, value.ndim)))
            bounds[name] = np.maximum(bounds[name], largest) if name in bounds else largest
    return bounds


def _factors(spread: Floats, share: float) -> Floats:
    top = spread.max()
    even: Floats = np.ones_like(spread)
    return (top / np.maximum(spread, top / _SPREAD)) ** share if top > 0 else even


def _apply(graph: Graph, group: _Class, factors: Floats) -> None:
    for node in group.writers:
        scale_output_channels(graph, node, factors)
    for node in group.readers:
        scale_input_channels(graph, node, 1 / factors)


def _classes(graph: Graph) -> list[_Class]:
    leader = dict[str, str]()

    def root(name: str) -> str:
        leader.setdefault(name, name)
        while leader[name] != name:
            name = leader[name]
        return name

    for node in graph.nodes:
        if node.op_type in _HOMOGENEOUS:
            for name in node.input:
                if name not in graph.constants:
                    leader[root(name)] = root(node.output[0])
    found = dict[str, _Class]()
    names = [name for node in graph.nodes for name in node.output]
    for name in names:
        found.setdefault(root(name), _Class()).tensors.append(name)
    for group in found.values():
        _describe(graph, group)
    return list(found.values())


def _describe(graph: Graph, group: _Class) -> None:
    ends = {item.name for item in graph.outputs}
    for name in group.tensors:
        maker = graph.producer(name)
        if maker is not None and is_weighted(graph, maker):
            group.writers.append(maker)
        elif maker is None or not _passes(graph, maker):
            group.free = False
        group.free &= name not in ends
        for reader in graph.consumers(name):
            if is_conv(graph, reader):
                group.readers.append(reader)
            elif not _passes(graph, reader):
                group.free = False


def _passes(graph: Graph, node: NodeProto) -> bool:
    if node.op_type == "Add":
        return not any(name in graph.constants for name in node.input)
    return node.op_type in _HOMOGENEOUS


def correct_biases(
    graph: Graph,
    wanted: Wanted,
    ranges: dict[str, Range],
    target: Target,
    batches: Iterable[NDArray[np.float32]],
    *,
    bits: int,
    known: Means | None = None,
) -> None:
    """Shift the biases in place. Means are taken over pictures and, for images, over places.

    Means that `known` holds are not taken again; it learns the others.
    """
    layers = [node for node in wanted.nodes if is_weighted(graph, node)]
    every = activation_scales(wanted, ranges, target)
    scales = {node.input[0]: every[node.input[0]] for node in layers}
    known = {} if known is None else known
    unknown = {name: scale for name, scale in scales.items() if (name, scale) not in known}
    if unknown:
        means = _means(graph, unknown, batches)
        known |= {(name, unknown[name]): pair for name, pair in means.items()}
    for node in layers:
        source = node.input[0]
        pair = known[source, scales[source]]
        shift_bias(graph, node, _lost(graph, node, *pair, scales[source], bits))


def _means(
    graph: Graph, scales: dict[str, Scale], batches: Iterable[NDArray[np.float32]]
) -> dict[str, tuple[Floats, Floats]]:
    """Per tensor: the mean of each channel before and after quantisation."""
    sums: dict[str, list[Any]] = {name: [0.0, 0.0] for name in scales}
    counts = dict.fromkeys(scales, 0)
    for values in observe(graph, sorted(scales), batches):
        for name, value in values.items():
            scale = scales[name]
            rounded = scale.values(scale.codes(value))
            axes = (0, *range(2, value.ndim))
            per_picture = value[0, 0].size
            for position, array in enumerate((value, rounded)):
                sums[name][position] += array.sum(axis=axes, dtype=np.float64) / per_picture
            counts[name] += len(value)  # a matrix has several rows for each picture
    return {name: (b / counts[name], a / counts[name]) for name, (b, a) in sums.items()}


def _lost(
    graph: Graph, node: NodeProto, before: Floats, after: Floats, scale: Scale, bits: int
) -> Floats:
    """mean(W·x) − mean(Q(W)·Q(x)) per output channel; padding is small enough to leave out."""
    weight = graph.constants[node.input[1]]
    bias = graph.constants[node.input[2]] if len(node.input) > 2 else None
    steps = weight_scales(weight, bias, scale.scale, bits=bits)
    columns = steps.reshape(-1, *(1,) * (weight.ndim - 1))
    rounded = weight_codes(weight, steps, bits=bits) * columns
    channel = read_channels(graph, node)
    taps, rounded_taps = (w.reshape(*channel.shape, -1).sum(axis=2) for w in (weight, rounded))
    lost: Floats = (taps * before[channel] - rounded_taps * after[channel]).sum(axis=1)
    return lost
