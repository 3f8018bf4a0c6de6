"""The door of a graph: what foreign graphs do to a picture before their first layer.

Colour order, scale and offset go into the first convolution. For 8 bits the picture is shifted
by half a grey level: (u − 127.5) / 127.5 lies between two codes everywhere, so a quantiser would
round every pixel; (u − 128) / 127.5 lies on the codes, and the picture enters without loss.
"""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import group_count, is_weighted, scale_input_channels, shift_bias
from embedge.export.graph.picks import absorb_picks, pick_channels
from embedge.export.graph.surgery import Graph
from embedge.export.int8.ranges import Range
from embedge.runtime.contract import EmbeddingContract

__all__ = ["exact_entrance", "fold_entrance"]

Floats = NDArray[np.float64]
_COLOURS = 3
_NOTHING_ADDED = 1e-6  # of the picture's range: what float32 leaves of an offset that cancels


def fold_entrance(graph: Graph) -> None:
    """Fold per-channel arithmetic on the input into the first convolution."""
    source = graph.inputs[0].name
    factor, offset = np.ones(_COLOURS), np.zeros(_COLOURS)
    order = np.arange(_COLOURS)
    chain = list[NodeProto]()
    node = graph.only_consumer(source)
    while node is not None and not is_weighted(graph, node):
        if (step := _affine(graph, node)) is not None:
            factor, offset = factor * step[0], offset * step[0] + step[1]
        elif (picked := _reordering(graph, node)) is not None:
            order, factor, offset = order[picked], factor[picked], offset[picked]
        else:
            return
        chain.append(node)
        node = graph.only_consumer(node.output[0])
    if not chain or node is None or node.op_type != "Conv" or group_count(node) != 1:
        return
    if np.any(np.abs(offset) > _NOTHING_ADDED):
        return  # an offset does not commute with zero padding
    scale_input_channels(graph, node, factor)
    graph.remove(*chain)
    node.input[0] = pick_channels(graph, source, order, hint="image.order")
    absorb_picks(graph)


def _affine(graph: Graph, node: NodeProto) -> tuple[Floats, Floats] | None:
    if node.op_type not in {"Add", "Sub", "Mul", "Div"} or node.input[1] not in graph.constants:
        return None
    value = graph.constants[node.input[1]].astype(np.float64)
    if value.size not in (1, _COLOURS):
        return None
    vector = np.broadcast_to(value.reshape(-1), (_COLOURS,))
    one, zero = np.ones(_COLOURS), np.zeros(_COLOURS)
    match node.op_type:
        case "Add":
            return one, vector
        case "Sub":
            return one, -vector
        case "Mul":
            return vector, zero
        case _:
            return 1 / vector, zero


def _reordering(graph: Graph, node: NodeProto) -> NDArray[np.int64] | None:
    """The channels that a Slice along axis 1 keeps, when it keeps all of them."""
    if node.op_type != "Slice" or any(name not in graph.constants for name in node.input[1:]):
        return None
    start, stop, axes, steps = (graph.constants[name].reshape(-1) for name in node.input[1:5])
    if axes.tolist() != [1]:
        return None
    picked = np.arange(_COLOURS)[slice(int(start[0]), _stop(int(stop[0])), int(steps[0]))]
    return picked if picked.size == _COLOURS else None


def _stop(value: int) -> int | None:
    """ONNX says "to the very beginning" with a number below every index."""
    return None if value < -_COLOURS else value


def exact_entrance(graph: Graph, door: EmbeddingContract) -> dict[str, Range]:
    """Shift the picture onto the 8-bit grid; returns the range of the shifted picture."""
    if isinstance(door.mean, tuple) or isinstance(door.std, tuple):
        return {}  # no one grid holds three colours that are scaled differently
    source = graph.inputs[0].name
    readers = graph.consumers(source)
    if door.mean % 1 != 0.5 or not all(
        r.op_type == "Conv" and is_weighted(graph, r) for r in readers
    ):
        return {}
    half = 0.5 / door.std
    name = graph.add_constant("image.grid.shift", np.asarray(-half, np.float32))
    shifted = graph.emit("Add", [source, name], hint="image.grid")
    for reader in readers:
        weight = graph.constants[reader.input[1]].astype(np.float64)
        shift_bias(graph, reader, half * weight.reshape(len(weight), -1).sum(axis=1))
        reader.input[0] = shifted
    graph.tidy()
    dark = -(door.mean + 0.5) / door.std
    return {shifted: Range(dark, dark + 255 / door.std)}
