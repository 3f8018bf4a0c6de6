"""The two ends of a graph: a float32 picture of planes comes in, an embedding goes out."""

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from embedge.export.graph.running import evaluated
from embedge.export.graph.surgery import Graph, attribute, group_count, is_conv
from embedge.export.intake.original import Entrance

__all__ = ["enter_float", "enter_planes", "fold_entrance", "leave_rows", "without_length"]

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Clip", "Relu", "Cast"}
_OF_LENGTH = {"Abs", "Add", "Cast", "Clip", "Concat", "Expand", "Gather", "Max", "Mul", "Pow"}
_OF_LENGTH |= {"Reciprocal", "ReduceL2", "ReduceSum", "ReduceSumSquare", "Shape", "Slice", "Sqrt"}
_OF_LENGTH |= {"Unsqueeze"}
_SUMS = {"ReduceL2", "ReduceSum", "ReduceSumSquare"}
_LINEAR = {"Add", "Sub", "Mul", "Div", "Slice", "Gather"}
_EXACT = 1e-5  # of the largest number: what single precision leaves of an offset that cancels


def enter_float(graph: Graph, entrance: Entrance) -> bool:
    """A uint8 input that is cast first becomes a float32 one."""
    if entrance.kind == TensorProto.FLOAT:
        return False
    source = graph.inputs[0]
    source.type.tensor_type.elem_type = TensorProto.FLOAT
    for reader in graph.consumers(source.name):
        if reader.op_type == "Cast" and attribute(reader, "to") == TensorProto.FLOAT:
            graph.bypass(reader)
    return True


def enter_planes(graph: Graph, entrance: Entrance) -> bool:
    """An NHWC input becomes an NCHW one; the transposition moves on until it meets its inverse."""
    if entrance.layout == "NCHW":
        return False
    source = graph.inputs[0]
    first = helper.make_tensor_value_info(
        source.name, TensorProto.FLOAT, [entrance.batch or "batch", 3, entrance.size, entrance.size]
    )
    graph.inputs = [first]
    readers = graph.consumers(source.name)
    turned = graph.emit("Transpose", [source.name], hint=f"{source.name}.last", perm=_TO_LAST)
    graph.rewire(source.name, turned, readers)
    node = graph.producer(turned)
    while node is not None:
        node = _moved_on(graph, node)
    graph.tidy()
    return True


def _moved_on(graph: Graph, turn: NodeProto) -> NodeProto | None:
    """The transposition one step further, or None where it has vanished or cannot go on."""
    reader = graph.only_consumer(turn.output[0])
    if reader is None:
        return None
    if reader.op_type == "Transpose" and attribute(reader, "perm") == _TO_FIRST:
        graph.rewire(reader.output[0], turn.input[0])
        graph.remove(turn, reader)
        return None
    if reader.op_type not in _ELEMENTWISE:
        return None
    turned = {
        name: _turned(graph.constants[name]) for name in reader.input if name in graph.constants
    }
    if any(value is None for value in turned.values()) or reader.output[0] in {
        item.name for item in graph.outputs
    }:
        return None
    result, inner = reader.output[0], graph.fresh(f"{reader.output[0]}.first")
    for place, name in enumerate(reader.input):
        if name == turn.output[0]:
            reader.input[place] = turn.input[0]
        elif (value := turned.get(name)) is not None:
            reader.input[place] = graph.add_constant(name, value)
    reader.output[0], turn.input[0] = inner, inner
    graph.rewire(turn.output[0], result)
    turn.output[0] = result
    return turn


def _turned(value: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """A constant that is broadcast over (N,H,W,C), for (N,C,H,W)."""
    if value.ndim > 4:
        return None
    if value.size == 1:
        return value.reshape(())
    return value.reshape((1,) * (4 - value.ndim) + value.shape).transpose(_TO_FIRST)


def leave_rows(graph: Graph, rank: int) -> bool:
    """An embedding that leaves as (N, dim, 1, 1) is flattened."""
    if rank == 2:
        return False
    _rename_last(graph, "Flatten", axis=1)
    return True


def _rename_last(graph: Graph, op: str, axis: int) -> None:
    result = graph.outputs[0].name
    maker = graph.producer(result)
    assert maker is not None  # an output that is no input has been written by somebody
    inner = graph.fresh(f"{result}.inner")
    maker.output[:] = [inner if name == result else name for name in maker.output]
    graph.rewire(result, inner)
    graph.emit(op, [inner], hint=result, output=result, axis=axis)


def without_length(graph: Graph) -> bool:
    """A tail that scales every row to length one is cut off: comparing does that anyway."""
    result = graph.outputs[0].name
    last = graph.producer(result)
    source = _scaled_source(graph, last) if last is not None else None
    maker = graph.producer(source) if source is not None else None
    if last is None or source is None or maker is None:
        return False
    graph.remove(last)
    graph.rewire(source, result)
    maker.output[:] = [result if name == source else name for name in maker.output]
    graph.tidy()
    return True


def _scaled_source(graph: Graph, last: NodeProto) -> str | None:
    if last.op_type == "LpNormalization":
        plain = attribute(last, "p", 2) == 2 and attribute(last, "axis", -1) in (1, -1)
        return last.input[0] if plain else None
    if last.op_type not in {"Div", "Mul"}:
        return None
    for source, scale in (last.input, reversed(last.input)):
        if _is_length_of(graph, scale, source):
            return str(source)
        if last.op_type == "Div":
            break
    return None


def _is_length_of(graph: Graph, tensor: str, source: str) -> bool:
    """Whether a tensor is made from `source` and constants alone, by a sum over it."""
    waiting, kinds = [tensor], set[str]()
    while waiting:
        name = waiting.pop()
        if name == source or name == "" or name in graph.constants:
            continue
        maker = graph.producer(name)
        if maker is None or maker.op_type not in {*_OF_LENGTH, "Div"}:
            return False
        kinds.add(maker.op_type)
        waiting.extend(maker.input)
    return bool(kinds & _SUMS)


def fold_entrance(graph: Graph) -> bool:
    """Factors and an order of the colours; an offset stays, as padding would have none."""
    way, first = _way_in(graph)
    if not way or first is None:
        return False
    weight = graph.constants[first.input[1]]
    mixed = _mixed(graph, way, weight.shape[1])
    if mixed is None:
        return False
    folded = np.einsum("oi...,ij->oj...", weight.astype(np.float64), mixed)
    first.input[:2] = [
        graph.inputs[0].name,
        graph.add_constant(first.input[1], folded.astype(np.float32)),
    ]
    graph.remove(*way)
    return True


def _way_in(graph: Graph) -> tuple[list[NodeProto], NodeProto | None]:
    """The steps that a picture takes one after another, and the convolution that they lead to."""
    way: list[NodeProto] = []
    tensor = graph.inputs[0].name
    while (node := graph.only_consumer(tensor)) is not None:
        if is_conv(graph, node) and node.input[0] == tensor and group_count(node) == 1:
            return way, node
        others = [name for name in node.input if name != tensor]
        if node.op_type not in _LINEAR or any(name not in graph.constants for name in others):
            break
        way.append(node)
        tensor = node.output[0]
    return way, None


def _mixed(graph: Graph, way: list[NodeProto], channels: int) -> NDArray[np.float64] | None:
    """The matrix that it multiplies every pixel's colours by; None where it does something else."""
    dims = graph.inputs[0].type.tensor_type.shape.dim
    shape = tuple(dim.dim_value for dim in dims)[1:]
    if len(shape) != 3 or min(shape) < 1 or shape[0] != channels:
        return None
    pure = np.zeros((channels, *shape))
    pure[range(channels), range(channels)] = 1
    any_picture = np.random.default_rng(0).standard_normal(shape)
    tried = np.stack([np.zeros(shape), *pure, any_picture]).astype(np.float32)
    found: NDArray[np.generic] = tried
    place = graph.inputs[0].name
    for node in way:
        (found,) = evaluated(graph, node, {place: found})
        place = node.output[0]
    if found.shape != tried.shape:
        return None
    nothing, *columns, any_answer = found.astype(np.float64)
    mixed = np.stack([column[:, 0, 0] for column in columns], axis=1)
    wrong = np.abs(any_answer - np.einsum("ij,jhw->ihw", mixed, any_picture)).max()
    largest = np.abs(mixed).max()
    return mixed if max(wrong, np.abs(nothing).max()) <= _EXACT * largest else None
