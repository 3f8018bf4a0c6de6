"""INT8 graph -> the same graph with everything outside Q/DQ in FP16.

Strongly typed builders (TensorRT 11, TensorRT-RTX) compute the rest of an INT8 network in the type
the graph says. Older ones are told by a flag and need no other graph.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from embedge.errors import EmbedgeError
from embedge.export.engines.tensorrt.rules import STABLE_OPERATORS

__all__ = ["half_remainder_from_qdq"]

_OPSET = 19  # the first whose Q and DQ take half-precision scales
_SMALLEST = np.float32(6e-8)  # of FP16, subnormal: a scale must not become zero


def half_remainder_from_qdq(path_in: Path, path_out: Path) -> None:
    """Weights' integers and all zero points stay; scales, biases and activations become FP16."""
    model = onnx.load(path_in)
    _require_convertible(model, path_in)
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = max(opset.version, _OPSET)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(_halved(tensor, path_in))
    for node in model.graph.node:
        _halve_attributes(node, path_in)
    del model.graph.value_info[:]
    _return_floats(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path_out)


def _halved(tensor: TensorProto, where: Path) -> TensorProto:
    if tensor.data_type != TensorProto.FLOAT:
        return tensor
    values = numpy_helper.to_array(tensor)
    if not np.all(np.abs(values) <= np.finfo(np.float16).max):
        raise EmbedgeError(
            "E-HALF",
            f"the constant {tensor.name} does not fit into half precision",
            where=where,
            remedy="Build with --remainder fp32",
        )
    floor = np.where(values == 0, values, np.maximum(np.abs(values), _SMALLEST) * np.sign(values))
    return numpy_helper.from_array(floor.astype(np.float16), tensor.name)


def _halve_attributes(node: onnx.NodeProto, where: Path) -> None:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attribute.t.CopyFrom(_halved(attribute.t, where))
        elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16


def _return_floats(model: ModelProto) -> None:
    """Inputs and outputs stay FP32: callers of the engine see no difference."""
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in constants]
    outputs = [value.name for value in graph.output]
    for node in graph.node:
        node.input[:] = [f"{name}.half" if name in inputs else name for name in node.input]
        node.output[:] = [f"{name}.half" if name in outputs else name for name in node.output]
    entry = [_cast(name, f"{name}.half", TensorProto.FLOAT16) for name in inputs]
    leave = [_cast(f"{name}.half", name, TensorProto.FLOAT) for name in outputs]
    nodes = [*entry, *graph.node, *leave]
    del graph.node[:]
    graph.node.extend(nodes)


def _cast(source: str, result: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], name=f"{result}.cast", to=to)


def _require_convertible(model: ModelProto, where: Path) -> None:
    odd = sorted({node.op_type for node in model.graph.node} - STABLE_OPERATORS)
    oldest = min(opset.version for opset in model.opset_import)
    if odd or oldest < 13:
        raise EmbedgeError(
            "E-HALF",
            f"the graph cannot be rewritten in half precision: opset {oldest}, {odd}",
            where=where,
            remedy="Build with --remainder fp32",
        )
