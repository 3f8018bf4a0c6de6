"""ONNX files with a fault in their numbers or their shape."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = ["collapsed", "shuffled", "tapped", "with_denormal_tail"]


def collapsed(model: bytes) -> bytes:
    """The first layer's numbers fall under the smallest step, or into one."""
    graph = onnx.load_from_string(model)
    scales = {n.input[1] for n in graph.graph.node if n.op_type == "QuantizeLinear"}
    weights = {n.input[1] for n in graph.graph.node if n.op_type == "Conv"}
    if scales:
        first = next(
            n
            for n in graph.graph.node
            if n.op_type == "QuantizeLinear" and n.input[0] != graph.graph.input[0].name
        )
        _scaled(graph, {first.input[1]}, 300)
    else:
        first = next(n for n in graph.graph.node if n.op_type == "Conv")
        _scaled(graph, {first.input[1]} & weights, 1e-4)
    return graph.SerializeToString()


def _scaled(graph: onnx.ModelProto, names: set[str], factor: float) -> None:
    for tensor in graph.graph.initializer:
        if tensor.name in names:
            values = numpy_helper.to_array(tensor)
            changed = (values * values.dtype.type(factor)).astype(values.dtype)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))


def tapped(model: bytes) -> bytes:
    """What the last layer reads: the pooled features, laid flat."""
    graph = onnx.load_from_string(model)
    layers = [n for n in graph.graph.node if n.op_type in ("Gemm", "MatMul", "Conv")]
    halves = any(one.data_type == onnx.TensorProto.FLOAT16 for one in graph.graph.initializer)
    graph.graph.node.append(
        helper.make_node("Flatten", [layers[-1].input[0]], ["half" if halves else "flat"])
    )
    if halves:  # no converter takes a Cast that it does not need
        wide = helper.make_node("Cast", ["half"], ["flat"], to=onnx.TensorProto.FLOAT)
        graph.graph.node.append(wide)
    del graph.graph.output[:]
    flat = helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["batch", "features"])
    graph.graph.output.append(flat)
    return graph.SerializeToString()


def with_denormal_tail(model: bytes, dim: int) -> bytes:
    """Half of the embedding passes through numbers that a flushing processor loses."""
    graph = onnx.load_from_string(model)
    (output,) = graph.graph.output
    half = np.arange(dim) % 2 == 0
    tiny, back = (np.where(half, value, 1).astype(np.float32) for value in (1e-40, 1e20))
    for name, value in (
        ("tiny", tiny),
        ("back", back),
        ("low", np.float32(-1e30)),
        ("high", np.float32(1e30)),
    ):
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph.graph.node.extend(
        [
            helper.make_node("Mul", [output.name, "tiny"], ["small"]),
            helper.make_node("Clip", ["small", "low", "high"], ["clipped"]),
            helper.make_node("Mul", ["clipped", "back"], ["middle"]),
            helper.make_node("Clip", ["middle", "low", "high"], ["again"]),
            helper.make_node("Mul", ["again", "back"], ["whole"]),
        ]
    )
    output.name = "whole"
    return graph.SerializeToString()


def shuffled(model: bytes) -> bytes:
    """Another network of this shape: its last layer's weights are elsewhere."""
    graph = onnx.load_from_string(model)
    layer = [node for node in graph.graph.node if node.op_type in ("Gemm", "MatMul", "Conv")][-1]
    known = {tensor.name: tensor for tensor in graph.graph.initializer}
    makers = {name: node for node in graph.graph.node for name in node.output}
    name = layer.input[1]
    while name not in known:
        name = makers[name].input[0]
    tensor = known[name]
    values = numpy_helper.to_array(tensor)
    mixed = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
    tensor.CopyFrom(numpy_helper.from_array(mixed, name))
    return graph.SerializeToString()
