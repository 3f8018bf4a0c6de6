"""ONNX to a LiteRT flatbuffer, written directly: `pip install 'embedge[litert]'`.

The converters from torch want the network in torch, those from ONNX want TensorFlow; a face
network in canonical form has a dozen operators. Activations are NHWC, batch one.
"""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.errors import EmbedgeError
from embedge.export.graph.canonical import canonical, fold_entrance
from embedge.export.graph.surgery import Graph, attribute, node_place
from embedge.export.targets import Converted
from embedge.export.targets.flatbuffer import Flatbuffer
from embedge.optional import require

__all__ = ["litert_from_onnx"]

Array = NDArray[Any]


def litert_from_onnx(model: bytes, *, half: bool) -> Converted:
    """One file; `half` stores weights in 16 bits, which the runtime widens when it loads."""
    require("ai_edge_litert", extra="litert")
    graph = canonical(Graph.from_model(onnx.load_model_from_string(model)))
    fold_entrance(graph)
    graph.tidy()
    return Converted(
        {".tflite": _Translation(graph, half=half).written()},
        {"ai-edge-litert": version("ai-edge-litert")},
    )


class _Translation:
    """One graph, node by node; `at` knows where in the file a tensor of the graph is."""

    def __init__(self, graph: Graph, *, half: bool) -> None:
        self.graph, self.file = graph, Flatbuffer(half=half)
        entry = graph.inputs[0]
        _, channels, height, width = [d.dim_value for d in entry.type.tensor_type.shape.dim]
        self.at = {entry.name: self.file.tensor("image", (1, height, width, channels))}
        self.source = self.at[entry.name]

    def written(self) -> bytes:
        for node in self.graph.nodes:
            if node.op_type not in _OPERATORS:
                raise _refused(f"{node_place(node)} is {node.op_type}, for which there is nothing")
            self.at[node.output[0]] = _OPERATORS[node.op_type](self, node)
        return self.file.written([self.source], [self.at[self.graph.outputs[0].name]])

    def shape(self, node: NodeProto) -> tuple[int, ...]:
        return self.file.shape(self.at[node.input[0]])

    def constant(self, node: NodeProto, place: int) -> Array:
        name = node.input[place]
        if name not in self.graph.constants:
            raise _refused(f"input {place} of {node_place(node)} is computed, not a constant")
        return self.graph.constants[name]


def _conv(of: _Translation, node: NodeProto) -> int:
    weight, file = of.constant(node, 1), of.file
    _, height, width, inputs = of.shape(node)
    kernel, stride = weight.shape[2:], tuple(attribute(node, "strides", [1, 1]))
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    if list(attribute(node, "dilations", [1, 1])) != [1, 1] or attribute(
        node, "auto_pad", b"NOTSET"
    ) not in (b"NOTSET", "NOTSET"):
        raise _refused(f"{node_place(node)} is dilated or leaves its padding open")
    padded = (height + top + bottom, width + left + right)
    size = tuple((p - k) // s + 1 for p, k, s in zip(padded, kernel, stride))
    source, same = of.at[node.input[0]], _is_same((top, left, bottom, right), kernel, stride)
    if not same and (top or left or bottom or right):
        borders = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        source = file.operator("PAD", [source, file.integers(borders)], (1, *padded, inputs))
    depthwise = attribute(node, "group", 1) == inputs and weight.shape[1] == 1 and inputs > 1
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    bias = of.constant(node, 2) if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    operands = [source, file.weights(weight.transpose(order)), file.constant(bias)]
    options = {"padding": 0 if same else 1, "strideH": stride[0], "strideW": stride[1]}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1}
    kind = "CONV_2D"
    if depthwise:
        kind, options["depthMultiplier"] = "DEPTHWISE_CONV_2D", len(weight) // inputs
    return file.operator(kind, operands, (1, *size, len(weight)), options)


def _is_same(pads: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """What LiteRT calls SAME; with a stride it pads the other sides first, so not there."""
    return stride == (1, 1) and all(
        2 * pad == size - 1 for pad, size in zip(pads, [*kernel, *kernel])
    )


def _prelu(of: _Translation, node: NodeProto) -> int:
    shape = of.shape(node)
    slope = np.broadcast_to(of.constant(node, 1).reshape(-1), shape[-1:])
    channels = slope.reshape((1,) * (len(shape) - 2) + (-1,)).astype(np.float32)
    return of.file.operator("PRELU", [of.at[node.input[0]], of.file.constant(channels)], shape)


def _relu(of: _Translation, node: NodeProto) -> int:
    return of.file.operator("RELU", [of.at[node.input[0]]], of.shape(node))


def _leaky(of: _Translation, node: NodeProto) -> int:
    options = {"alpha": float(attribute(node, "alpha", 0.01))}
    return of.file.operator("LEAKY_RELU", [of.at[node.input[0]]], of.shape(node), options)


def _clip(of: _Translation, node: NodeProto) -> int:
    bounds = [float(of.constant(node, place)) for place in range(1, len(node.input))]
    if bounds != [0.0, 6.0]:
        raise _refused(f"{node_place(node)} clips to {bounds}, only 0 to 6 is known")
    return of.file.operator("RELU6", [of.at[node.input[0]]], of.shape(node))


def _add(of: _Translation, node: NodeProto) -> int:
    if any(name in of.graph.constants for name in node.input):
        raise _refused(f"{node_place(node)} adds a constant that no layer took in")
    return of.file.operator("ADD", [of.at[name] for name in node.input], of.shape(node))


def _pool(of: _Translation, node: NodeProto) -> int:
    batch, _, _, channels = of.shape(node)
    axes = of.file.integers(np.array([1, 2], np.int32))
    operands, options = [of.at[node.input[0]], axes], {"keepDims": True}
    return of.file.operator("MEAN", operands, (batch, 1, 1, channels), options)


def _flatten(of: _Translation, node: NodeProto) -> int:
    """The numbers in ONNX's order: channel by channel."""
    shape, source, file = of.shape(node), of.at[node.input[0]], of.file
    if len(shape) == 4 and shape[1:3] != (1, 1):
        turned = (shape[0], shape[3], shape[1], shape[2])
        order = file.integers(np.array([0, 3, 1, 2], np.int32))
        source = file.operator("TRANSPOSE", [source, order], turned)
    flat = (1, int(np.prod(shape)))
    return file.operator("RESHAPE", [source, file.integers(np.array(flat, np.int32))], flat)


def _gemm(of: _Translation, node: NodeProto) -> int:
    turned = attribute(node, "transB", 0)
    factors = [attribute(node, name, 1.0) for name in ("alpha", "beta")]
    if factors != [1.0, 1.0] or attribute(node, "transA", 0):
        raise _refused(f"{node_place(node)} scales or turns its operands")
    weight = of.constant(node, 1) if turned else of.constant(node, 1).T
    bias = of.constant(node, 2) if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    operands = [of.at[node.input[0]], of.file.weights(weight), of.file.constant(bias.reshape(-1))]
    return of.file.operator("FULLY_CONNECTED", operands, (1, len(weight)), {})


_OPERATORS: dict[str, Callable[[_Translation, NodeProto], int]] = {
    "Add": _add,
    "Clip": _clip,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _pool,
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "Relu": _relu,
    "Reshape": _flatten,
}


def _refused(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-TARGET",
        f"the network cannot be converted for LiteRT: {what}",
        remedy="Convert the float graph of a student; other operators need another target",
    )
