"""One shape for every graph: what exporters write in many ways is brought to one way.

After `canonical` constants are folded, a matrix product is a Gemm with weights stored as (out, in),
every Conv and Gemm carries its own bias, one number for each output, no BatchNormalization follows
one, and a PReLU or LeakyRelu is a PRelu node. Each rewriting is exact up to float32 rounding.
"""

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.channels import scale_input_channels
from embedge.export.graph.running import evaluated
from embedge.export.graph.surgery import Graph, attribute, group_count, is_conv, is_weighted

__all__ = ["affine_from", "canonical", "channel_vector", "fold_constants"]

Floats = NDArray[np.floating]
AfterPass = Callable[[str, Graph], None]
"""Told the name of a pass that changed the graph."""


def unproven(name: str, graph: Graph) -> None:
    """Nobody looks: what follows is compared as a whole."""


def canonical(graph: Graph, after: AfterPass = unproven) -> Graph:
    """Rewrite in place until nothing changes any more; returns the graph."""
    passes = (
        _drop_dropout,
        fold_constants,
        _plain_bias,
        _plain_slope,
        _raise_prelu_from_leaky,
        _raise_prelu_from_max,
        _raise_prelu_from_relu,
        _raise_prelu_from_ratio,
        _raise_hard_swish,
        _fold_factor_before,
        _gemm_from_matmul,
        _gemm_form,
        _fold_affine_after,
    )
    while sum(_exhausted(graph, rewrite, after) for rewrite in passes):
        graph.tidy()
    graph.tidy()
    return graph


def _exhausted(graph: Graph, rewrite: Callable[[Graph], bool], after: AfterPass) -> bool:
    changed = False
    while rewrite(graph):
        graph.tidy()
        changed = True
    if changed:
        after(rewrite.__name__.strip("_").replace("_", " "), graph)
    return changed


def _drop_dropout(graph: Graph) -> bool:
    found = [node for node in graph.nodes if node.op_type == "Dropout" and len(node.output) < 2]
    for node in found:
        graph.bypass(node)
    return bool(found)


def _plain_bias(graph: Graph) -> bool:
    """A Conv's bias that is left empty is left out."""
    found = [n for n in graph.nodes if n.op_type in {"Conv", "Gemm"} and n.input[-1] == ""]
    for node in found:
        del node.input[-1]
    return bool(found)


def _plain_slope(graph: Graph) -> bool:
    """A PReLU's slopes say nothing of the batch."""
    changed = False
    for node in graph.nodes:
        slope = graph.constants.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and slope.ndim in (2, 4) and len(slope) == 1:
            node.input[1] = graph.add_constant(node.input[1], slope[0])
            changed = True
    return changed


def fold_constants(graph: Graph) -> bool:
    found = [
        node
        for node in graph.nodes
        if node.input and all(name == "" or name in graph.constants for name in node.input)
    ]
    for node in found:
        graph.constants.update(zip(node.output, evaluated(graph, node, {})))
    graph.remove(*found)
    return bool(found)


def _raise_prelu_from_leaky(graph: Graph) -> bool:
    """A LeakyRelu is a PReLU with one slope."""
    found = [node for node in graph.nodes if node.op_type == "LeakyRelu"]
    for node in found:
        slope = np.full((1, 1, 1), attribute(node, "alpha", 0.01), np.float32)
        _become_prelu(graph, node, node.input[0], slope)
    return bool(found)


def _raise_prelu_from_max(graph: Graph) -> bool:
    """Max(x, a·x) with a ≤ 1 is PReLU."""
    for node in graph.nodes:
        if node.op_type != "Max" or len(node.input) != 2:
            continue
        for source, scaled in (node.input, reversed(node.input)):
            slope = _factor(graph, scaled, source)
            if slope is not None and np.all(slope <= 1):
                _become_prelu(graph, node, source, slope)
                return True
    return False


def _raise_hard_swish(graph: Graph) -> bool:
    """x · HardSigmoid(x), which exporters write before opset 14, is HardSwish."""
    for node in graph.nodes:
        if node.op_type != "Mul":
            continue
        for source, gate in (node.input, reversed(node.input)):
            maker = graph.producer(gate)
            if maker is None or maker.op_type != "HardSigmoid" or maker.input[0] != source:
                continue
            slope, offset = attribute(maker, "alpha", 0.2), attribute(maker, "beta", 0.5)
            if abs(slope - 1 / 6) < 1e-6 and offset == 0.5:
                result = node.output[0]
                graph.remove(node)
                graph.emit("HardSwish", [source], hint=result, output=result)
                return True
    return False


def _raise_prelu_from_relu(graph: Graph) -> bool:
    """a·x + (1−a)·relu(x) is PReLU."""
    for node in graph.nodes:
        if node.op_type != "Add":
            continue
        for linear, bent in (node.input, reversed(node.input)):
            mul = graph.producer(linear)
            if mul is None or mul.op_type != "Mul":
                continue
            source = next((name for name in mul.input if name not in graph.constants), "")
            slope = _factor(graph, linear, source)
            relu = next((n for n in graph.consumers(source) if n.op_type == "Relu"), None)
            rest = _factor(graph, bent, relu.output[0]) if relu is not None else None
            if slope is not None and rest is not None and np.allclose(slope + rest, 1, atol=1e-6):
                _become_prelu(graph, node, source, slope)
                return True
    return False


def _raise_prelu_from_ratio(graph: Graph) -> bool:
    """relu(x) + c·x is (1+c)·PReLU with slope c/(1+c)."""
    for node in graph.nodes:
        if node.op_type != "Add" or len(set(node.input)) != 2:
            continue
        for bent, linear in (node.input, reversed(node.input)):
            relu = graph.producer(bent)
            if relu is None or relu.op_type != "Relu":
                continue
            ratio = _factor(graph, linear, relu.input[0])
            if ratio is not None and np.all(np.abs(1 + ratio) > 1e-6):
                whole = (1 + ratio.astype(np.float64)).astype(np.float32)
                slope = (ratio / (1 + ratio.astype(np.float64))).astype(np.float32)
                inner = graph.fresh(f"{node.output[0]}.bent")
                name = graph.add_constant(f"{node.output[0]}.whole", whole)
                _become_prelu(graph, node, relu.input[0], slope, output=inner)
                graph.emit("Mul", [inner, name], hint=node.output[0], output=node.output[0])
                return True
    return False


def _fold_factor_before(graph: Graph) -> bool:
    """A factor per channel that only convolutions read goes into their weights."""
    for node in graph.nodes:
        if node.op_type != "Mul" or node.input[1] not in graph.constants:
            continue
        readers = graph.consumers(node.output[0])
        ends = {item.name for item in graph.outputs}
        if not readers or node.output[0] in ends:
            continue
        if not all(is_conv(graph, reader) for reader in readers):
            continue
        weight = graph.constants[readers[0].input[1]]
        channels = weight.shape[1] * group_count(readers[0])
        factor = channel_vector(graph, node.input[1], channels, 4)
        if factor is None:
            continue
        for reader in readers:
            scale_input_channels(graph, reader, factor)
        graph.bypass(node)
        return True
    return False


def _factor(graph: Graph, result: str, source: str) -> Floats | None:
    """The constant c of `result = source · c`."""
    node = graph.producer(result)
    if node is None or node.op_type != "Mul" or source not in node.input:
        return None
    return next((value for _, value in graph.constant_inputs(node)), None)


def _become_prelu(
    graph: Graph, node: NodeProto, source: str, slope: Floats, *, output: str | None = None
) -> None:
    name = graph.add_constant(f"{node.output[0]}.slope", slope)
    graph.emit("PRelu", [source, name], hint=node.output[0], output=output or node.output[0])
    graph.remove(node)


def _fold_affine_after(graph: Graph) -> bool:
    """Conv or Gemm, then something per-channel affine: one Conv or Gemm."""
    for node in graph.nodes:
        if not is_weighted(graph, node):
            continue
        after = graph.only_consumer(node.output[0])
        found = _affine_of(graph, after, node) if after is not None else None
        if after is not None and found is not None:
            _scale_outputs(graph, node, *found)
            graph.remove(after)
            node.output[0] = after.output[0]
            return True
    return False


def _affine_of(graph: Graph, node: NodeProto, maker: NodeProto) -> tuple[Floats, Floats] | None:
    """(factor, offset) per output channel, when `node` is nothing more than that."""
    channels = graph.constants[maker.input[1]].shape[0]
    if node.op_type == "BatchNormalization":
        if any(name not in graph.constants for name in node.input[1:]):
            return None
        gamma, beta, mean, variance = (graph.constants[x].astype(float) for x in node.input[1:5])
        factor = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return factor, beta - mean * factor
    turned = node.input[0] != maker.output[0]
    if len(node.input) != 2 or (turned and node.op_type not in {"Add", "Mul"}):
        return None
    rank = 4 if maker.op_type == "Conv" else 2
    vector = channel_vector(graph, node.input[0 if turned else 1], channels, rank)
    return affine_from(node.op_type, vector) if vector is not None else None


def affine_from(op: str, vector: Floats) -> tuple[Floats, Floats] | None:
    """(factor, offset) of an operator whose second input is this; None for any other."""
    one, zero = np.ones_like(vector), np.zeros_like(vector)
    match op:
        case "Add":
            return one, vector
        case "Sub":
            return one, -vector
        case "Mul":
            return vector, zero
        case "Div":
            return 1 / vector, zero
    return None


def channel_vector(graph: Graph, name: str, channels: int, rank: int) -> Floats | None:
    """A constant that is one number per channel (axis 1 of a tensor of this rank), as float64."""
    value = graph.constants.get(name)
    if value is None or value.ndim > rank:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if any(length != 1 for axis, length in enumerate(shape) if axis != 1):
        return None
    if shape[1] not in (1, channels):
        return None
    return np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,)).copy()


def _scale_outputs(graph: Graph, node: NodeProto, factor: Floats, offset: Floats) -> None:
    weight = graph.constants[node.input[1]].astype(np.float64)
    bias = np.zeros(weight.shape[0])
    if len(node.input) > 2:
        bias = np.broadcast_to(graph.constants[node.input[2]], bias.shape).astype(np.float64)
    scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    hint = node.output[0]
    node.input[1] = graph.add_constant(f"{hint}.weight", scaled.astype(np.float32))
    bias_name = graph.add_constant(f"{hint}.bias", (bias * factor + offset).astype(np.float32))
    node.input[:] = [*node.input[:2], bias_name]


def _gemm_from_matmul(graph: Graph) -> bool:
    """A product with a constant matrix is a Gemm, weights stored as (out, in).

    Where the other factor has more than two axes, as tokens of a picture do, its rows are brought
    together before and taken apart after; an addition that follows becomes the bias.
    """
    found = [n for n in graph.nodes if n.op_type == "MatMul" and _is_matrix(graph, n.input[1])]
    if not found:
        return False
    model = onnx.shape_inference.infer_shapes(graph.copy().to_model())
    shapes = {
        item.name: [dim.dim_value or -1 for dim in item.type.tensor_type.shape.dim]
        for item in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }
    for node in found:
        shape, weight = shapes.get(node.input[0], []), graph.constants[node.input[1]].T
        if len(shape) == 2:
            _become_gemm(graph, node, weight, None)
        else:
            _become_rows(graph, node, shape, weight)
    return True


def _is_matrix(graph: Graph, name: str) -> bool:
    return name in graph.constants and graph.constants[name].ndim == 2


def _become_rows(graph: Graph, node: NodeProto, shape: list[int], weight: Floats) -> None:
    result, bias = node.output[0], None
    after = graph.only_consumer(result)
    if after is not None and after.op_type == "Add":
        added = next((value for _, value in graph.constant_inputs(after)), None)
        if added is not None and added.shape == (len(weight),):
            bias, result = added, after.output[0]
            graph.remove(after)
    together = graph.add_constant(f"{result}.together", np.array([-1, weight.shape[1]], np.int64))
    apart = _taken_apart(graph, node.input[0], shape, len(weight), result)
    node.input[0] = graph.emit("Reshape", [node.input[0], together], hint=f"{result}.rows")
    node.output[0] = graph.fresh(f"{result}.matrix")
    _become_gemm(graph, node, weight, bias)
    graph.emit("Reshape", [node.output[0], apart], hint=result, output=result)


def _taken_apart(graph: Graph, source: str, shape: list[int], width: int, hint: str) -> str:
    """The shape of the result: a constant where only the batch is free, else worked out."""
    if len(shape) > 2 and min(shape[1:-1]) > 0:
        return graph.add_constant(f"{hint}.apart", np.array([-1, *shape[1:-1], width], np.int64))
    first, last, one = (
        graph.add_constant(f"{hint}.{name}", np.array([number], np.int64))
        for name, number in (("first", 0), ("last", -1), ("width", width))
    )
    whole = graph.emit("Shape", [source], hint=f"{hint}.whole")
    rows = graph.emit("Slice", [whole, first, last], hint=f"{hint}.lengths")
    return graph.emit("Concat", [rows, one], hint=f"{hint}.apart", axis=0)


def _gemm_form(graph: Graph) -> bool:
    """alpha, beta and the bias's shape go into the constants; weights are stored as (out, in)."""
    for node in graph.nodes:
        if node.op_type != "Gemm" or attribute(node, "transA", 0):
            continue
        weight = graph.constants.get(node.input[1])
        bias = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
        if weight is None or (bias is None and len(node.input) > 2):
            continue
        rows = weight if attribute(node, "transB", 0) else weight.T
        if is_weighted(graph, node) and (bias is None or bias.shape == (len(rows),)):
            continue
        if bias is not None:
            if bias.size not in (1, len(rows)):
                continue  # one number for each picture of a batch that is not free
            scaled = bias.reshape(-1) * float(attribute(node, "beta", 1.0))
            bias = np.broadcast_to(scaled, (len(rows),))
        _become_gemm(graph, node, rows * float(attribute(node, "alpha", 1.0)), bias)
        return True
    return False


def _become_gemm(graph: Graph, node: NodeProto, weight: Floats, bias: Floats | None) -> None:
    hint = node.output[0]
    inputs = [node.input[0]]
    for part, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            plain = np.ascontiguousarray(value, np.float32)
            inputs.append(graph.add_constant(f"{hint}.{part}", plain))
    graph.emit("Gemm", inputs, hint=hint, output=hint, transB=1)
    graph.nodes[-1].name = node.name  # the name under which its user knows it
    graph.remove(node)
