"""Cross-layer equalisation: give every channel of a tensor the same range before it gets one scale.

Convolution, addition, PReLU and ReLU commute with a positive factor per channel. A factor on
what a layer writes is undone in what the next layers read; a depthwise layer absorbs it without
loss because its weights have a scale per channel anyway. The function of the graph stays the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import (
    is_depthwise,
    is_weighted,
    scale_input_channels,
    scale_output_channels,
)
from embedge.export.graph.observe import observe
from embedge.export.graph.surgery import Graph

__all__ = ["channel_bounds", "equalise"]

Floats = NDArray[np.floating]
_HOMOGENEOUS = {"PRelu", "Relu", "LeakyRelu", "Add"}
_SPREAD = 32.0  # no channel is stretched or shrunk by more: dead ones would take all the room


@dataclass(slots=True)
class _Class:
    """Tensors whose channels must share their factors."""

    tensors: list[str] = field(default_factory=list)
    writers: list[NodeProto] = field(default_factory=list)
    readers: list[NodeProto] = field(default_factory=list)
    free: bool = True

    def depthwise_only(self, graph: Graph) -> bool:
        return all(is_depthwise(graph, node) for node in self.readers)


def equalise(
    graph: Graph, batches: Iterable[NDArray[np.float32]], *, dense_share: float = 0.5
) -> int:
    """Scale channels in place; returns how many classes of tensors were equalised.

    Depthwise readers allow full equalisation; where a dense layer reads the channels only the
    power `dense_share` of it is done, because there it moves the spread into the weights.
    """
    classes = [c for c in _classes(graph) if c.free and c.writers and c.readers]
    tensors = sorted({name for c in classes for name in c.tensors})
    bounds = channel_bounds(graph, tensors, batches)
    for group in classes:
        spread = np.max([bounds[name] for name in group.tensors], axis=0)
        share = 1.0 if group.depthwise_only(graph) else dense_share
        _apply(graph, group, _factors(spread, share))
    return len(classes)


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
    if top <= 0:
        return np.ones_like(spread)
    return (top / np.maximum(spread, top / _SPREAD)) ** share


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
            if reader.op_type == "Conv" and is_weighted(graph, reader):
                group.readers.append(reader)
            elif not _passes(graph, reader):
                group.free = False


def _passes(graph: Graph, node: NodeProto) -> bool:
    if node.op_type == "Add":
        return not any(name in graph.constants for name in node.input)
    return node.op_type in _HOMOGENEOUS
