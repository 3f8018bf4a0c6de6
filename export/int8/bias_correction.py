"""Bias correction: what rounding does to a layer's mean output is taken off its bias.

A layer computes W·x and will compute Q(W)·Q(x). The difference of the means is known per output
channel from the means of x and Q(x), and a bias can undo it exactly.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import group_count, is_weighted, shift_bias
from embedge.export.graph.observe import observe
from embedge.export.graph.surgery import Graph
from embedge.export.int8.arithmetic import Scale, activation_scale, weight_codes, weight_scales
from embedge.export.int8.placement import Target, Wanted
from embedge.export.int8.ranges import Range

__all__ = ["Means", "correct_biases"]

Floats = NDArray[np.floating]
# The means of a tensor's channels before and after a scale rounds it.
Means = dict[tuple[str, Scale], tuple[Floats, Floats]]


def correct_biases(
    graph: Graph,
    wanted: Wanted,
    ranges: dict[str, Range],
    target: Target,
    batches: Iterable[NDArray[np.float32]],
    *,
    bits: int = 8,
    known: Means | None = None,
) -> None:
    """Shift the biases in place. Means are taken over pictures and, for images, over places.

    Means that `known` holds are not taken again; it learns the others.
    """
    layers = [node for node in wanted.nodes if is_weighted(graph, node)]
    scales = {
        node.input[0]: activation_scale(
            ranges[wanted.root(node.input[0])], symmetric=target != "cpu"
        )
        for node in layers
    }
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
    count = 0
    for values in observe(graph, sorted(scales), batches):
        for name, value in values.items():
            scale = scales[name]
            rounded = scale.values(scale.codes(value))
            axes = (0, *range(2, value.ndim))
            per_picture = value[0, 0].size
            for position, array in enumerate((value, rounded)):
                sums[name][position] += array.sum(axis=axes, dtype=np.float64) / per_picture
        count += len(next(iter(values.values())))
    return {name: (before / count, after / count) for name, (before, after) in sums.items()}


def _lost(
    graph: Graph, node: NodeProto, before: Floats, after: Floats, scale: Scale, bits: int
) -> Floats:
    """mean(W·x) − mean(Q(W)·Q(x)) per output channel; padding is small enough to leave out."""
    weight = graph.constants[node.input[1]]
    bias = graph.constants[node.input[2]] if len(node.input) > 2 else None
    steps = weight_scales(weight, bias, scale.scale, bits=bits)
    columns = steps.reshape(-1, *(1,) * (weight.ndim - 1))
    rounded = weight_codes(weight, steps, bits=bits) * columns
    outputs, inputs = weight.shape[:2]
    first = np.arange(outputs) // (outputs // group_count(node)) * inputs
    channel = first[:, None] + np.arange(inputs)[None, :]
    taps, rounded_taps = (w.reshape(outputs, inputs, -1).sum(axis=2) for w in (weight, rounded))
    lost: Floats = (taps * before[channel] - rounded_taps * after[channel]).sum(axis=1)
    return lost
