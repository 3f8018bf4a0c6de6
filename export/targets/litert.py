"""ONNX to a LiteRT flatbuffer, written directly: `pip install 'embedge[litert]'`.

The converters from torch want the network in torch, those from ONNX want TensorFlow; a face
network in canonical form has a dozen operators. Activations are NHWC, batch one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.canonical import canonical
from embedge.export.graph.running import Images
from embedge.export.graph.surgery import Graph, attribute, node_place
from embedge.export.int8.compensation import fold_entrance
from embedge.export.int8.qdq import calibrated_graph, quantised
from embedge.export.targets import Converted, refused
from embedge.export.targets.flatbuffer import Flatbuffer
from embedge.export.targets.litert_codes import Codes
from embedge.optional import require

__all__ = ["litert_from_onnx", "litert_int8_from_graph"]

Array = NDArray[Any]


def litert_from_onnx(model: bytes, *, half: bool) -> Converted:
    """One file; `half` stores weights in 16 bits, which the runtime widens when it loads."""
    require("ai_edge_litert", extra="litert")
    graph = canonical(Graph.from_model(onnx.load_model_from_string(model)))
    fold_entrance(graph)
    graph.tidy()
    return _written(graph, half=half)


def litert_int8_from_graph(graph: Graph, images: Images) -> Converted:
    """The portable INT8 graph in LiteRT's words: the same codes, but for activations, which are
    S8 there. What stays in float has its weights in 16 bits."""
    require("ai_edge_litert", extra="litert")
    calibrated = calibrated_graph(graph, images, "qdq")
    return _written(quantised(calibrated, images, "mse"), half=True)


def _written(graph: Graph, *, half: bool) -> Converted:
    data = _Translation(graph, half=half).written()
    return Converted({".tflite": data}, {"ai-edge-litert": version("ai-edge-litert")})


class _Translation:
    """One graph, node by node; `at` knows where in the file a tensor of the graph is."""

    def __init__(self, graph: Graph, *, half: bool) -> None:
        self.graph, self.file, self.codes = graph, Flatbuffer(half=half), Codes.of(graph)
        entry = graph.inputs[0]
        _, channels, height, width = [d.dim_value for d in entry.type.tensor_type.shape.dim]
        self._widened: dict[str, int] = {}
        self.at = {entry.name: self.file.tensor("image", (1, height, width, channels))}
        self.source = self.at[entry.name]

    def written(self) -> bytes:
        for node in self.graph.nodes:
            if node.output[0] in self.codes.constants:
                continue
            if node.op_type not in _OPERATORS:
                raise refused(
                    "LiteRT", f"{node_place(node)} is {node.op_type}, for which there is nothing"
                )
            self.at[node.output[0]] = _OPERATORS[node.op_type](self, node)
        return self.file.written([self.source], [self.floats(self.graph.outputs[0].name)])

    def shape(self, node: NodeProto) -> tuple[int, ...]:
        return self.file.shape(self.at[node.input[0]])

    def read(self, node: NodeProto, place: int = 0) -> int:
        """What a node reads: codes where it computes in them."""
        name = node.input[place]
        return self.at[name] if node.name in self.codes.results else self.floats(name)

    def floats(self, name: str) -> int:
        source = self.at[name]
        if self.file.grid(source) is None:
            return source
        if name not in self._widened:
            shape = self.file.shape(source)
            self._widened[name] = self.file.operator("DEQUANTIZE", [source], shape)
        return self._widened[name]

    def emit(
        self,
        node: NodeProto,
        kind: str,
        operands: list[int],
        shape: Sequence[int],
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """The operator of a node, with the activation behind it where both are in codes."""
        found = self.codes.results.get(node.name)
        if found is None:
            return self.file.operator(kind, operands, shape, options)
        if found.activation:
            options = {**(options or {}), "fusedActivationFunction": found.activation}
        return self.file.operator(kind, operands, shape, options, grid=found.grid)

    def weights(self, node: NodeProto, order: tuple[int, ...]) -> int:
        """In LiteRT's order of axes; `order` says where ours lie."""
        stored = self.codes.constants.get(node.input[1])
        if stored is None or node.name not in self.codes.results:
            return self.file.weights(self.constant(node, 1).transpose(order))
        grid = replace(stored.grid, axis=order.index(0))
        value = stored.codes.transpose(order)
        return self.file.tensor("weights", value.shape, "INT8", value, grid)

    def bias(self, node: NodeProto, count: int) -> int:
        integer = node.name in self.codes.results
        if len(node.input) < 3:
            zeros = np.zeros(count, np.int32 if integer else np.float32)
            return self.file.integers(zeros) if integer else self.file.constant(zeros)
        stored = self.codes.constants.get(node.input[2])
        if stored is None or not integer:
            return self.file.constant(self.constant(node, 2).reshape(-1))
        return self.file.tensor("bias", (count,), "INT32", stored.codes, stored.grid)

    def constant(self, node: NodeProto, place: int) -> Array:
        name = node.input[place]
        if name in self.codes.constants:
            return self.codes.constants[name].values
        if name not in self.graph.constants:
            raise refused(
                "LiteRT", f"input {place} of {node_place(node)} is computed, not a constant"
            )
        return self.graph.constants[name]


def _conv(of: _Translation, node: NodeProto) -> int:
    weight, file = of.constant(node, 1), of.file
    _, height, width, inputs = of.shape(node)
    kernel, stride = weight.shape[2:], tuple(attribute(node, "strides", [1, 1]))
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    if list(attribute(node, "dilations", [1, 1])) != [1, 1] or attribute(
        node, "auto_pad", b"NOTSET"
    ) not in (b"NOTSET", "NOTSET"):
        raise refused("LiteRT", f"{node_place(node)} is dilated or leaves its padding open")
    padded = (height + top + bottom, width + left + right)
    size = tuple((p - k) // s + 1 for p, k, s in zip(padded, kernel, stride))
    source, same = of.read(node), _is_same((top, left, bottom, right), kernel, stride)
    if not same and (top or left or bottom or right):
        borders = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        shape = (1, *padded, inputs)
        operands = [source, file.integers(borders)]
        source = file.operator("PAD", operands, shape, grid=file.grid(source))
    depthwise = attribute(node, "group", 1) == inputs and weight.shape[1] == 1 and inputs > 1
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    operands = [source, of.weights(node, order), of.bias(node, len(weight))]
    options = {"padding": 0 if same else 1, "strideH": stride[0], "strideW": stride[1]}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1}
    kind = "CONV_2D"
    if depthwise:
        kind, options["depthMultiplier"] = "DEPTHWISE_CONV_2D", len(weight) // inputs
    return of.emit(node, kind, operands, (1, *size, len(weight)), options)


def _is_same(pads: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """What LiteRT calls SAME; with a stride it pads the other sides first, so not there."""
    return stride == (1, 1) and all(
        2 * pad == size - 1 for pad, size in zip(pads, [*kernel, *kernel])
    )


def _prelu(of: _Translation, node: NodeProto) -> int:
    shape = of.shape(node)
    slope = np.broadcast_to(of.constant(node, 1).reshape(-1), shape[-1:])
    channels = slope.reshape((1,) * (len(shape) - 2) + (-1,)).astype(np.float32)
    stored = of.codes.constants.get(node.input[1])
    if stored is None or node.name not in of.codes.results:
        factors = of.file.constant(channels)
    else:
        codes = np.broadcast_to(stored.codes.reshape(-1), shape[-1:]).reshape(channels.shape)
        factors = of.file.tensor("slopes", codes.shape, "INT8", codes, stored.grid)
    return of.emit(node, "PRELU", [of.read(node), factors], shape)


def _relu(of: _Translation, node: NodeProto) -> int:
    if node.name in of.codes.fused:
        return of.at[node.input[0]]
    return of.file.operator("RELU", [of.read(node)], of.shape(node))


def _leaky(of: _Translation, node: NodeProto) -> int:
    options = {"alpha": float(attribute(node, "alpha", 0.01))}
    return of.file.operator("LEAKY_RELU", [of.read(node)], of.shape(node), options)


def _clip(of: _Translation, node: NodeProto) -> int:
    bounds = [float(of.constant(node, place)) for place in range(1, len(node.input))]
    if bounds != [0.0, 6.0]:
        raise refused("LiteRT", f"{node_place(node)} clips to {bounds}, only 0 to 6 is known")
    if node.name in of.codes.fused:
        return of.at[node.input[0]]
    return of.file.operator("RELU6", [of.read(node)], of.shape(node))


def _add(of: _Translation, node: NodeProto) -> int:
    known = [of.graph.constants[name] for name in node.input if name in of.graph.constants]
    if not known:
        return of.emit(node, "ADD", [of.read(node, place) for place in (0, 1)], of.shape(node))
    (name,) = (name for name in node.input if name in of.at)
    if any(value.size != 1 for value in known):
        raise refused("LiteRT", f"{node_place(node)} adds a constant that no layer took in")
    operands = [of.floats(name), of.file.constant(known[0].reshape(1))]
    return of.file.operator("ADD", operands, of.file.shape(of.at[name]))


def _pool(of: _Translation, node: NodeProto) -> int:
    batch, _, _, channels = of.shape(node)
    axes = of.file.integers(np.array([1, 2], np.int32))
    operands, options = [of.read(node), axes], {"keepDims": True}
    return of.file.operator("MEAN", operands, (batch, 1, 1, channels), options)


def _flatten(of: _Translation, node: NodeProto) -> int:
    """The numbers in ONNX's order: channel by channel."""
    shape, source, file = of.shape(node), of.at[node.input[0]], of.file
    grid = file.grid(source)
    if len(shape) == 4 and shape[1:3] != (1, 1):
        turned = (shape[0], shape[3], shape[1], shape[2])
        order = file.integers(np.array([0, 3, 1, 2], np.int32))
        source = file.operator("TRANSPOSE", [source, order], turned, grid=grid)
    flat = (1, int(np.prod(shape)))
    sizes = file.integers(np.array(flat, np.int32))
    return file.operator("RESHAPE", [source, sizes], flat, grid=grid)


def _gemm(of: _Translation, node: NodeProto) -> int:
    turned = attribute(node, "transB", 0)
    factors = [attribute(node, name, 1.0) for name in ("alpha", "beta")]
    if factors != [1.0, 1.0] or attribute(node, "transA", 0):
        raise refused("LiteRT", f"{node_place(node)} scales or turns its operands")
    count = of.constant(node, 1).shape[0 if turned else 1]
    weights = of.weights(node, (0, 1) if turned else (1, 0))
    operands = [of.read(node), weights, of.bias(node, count)]
    return of.emit(node, "FULLY_CONNECTED", operands, (1, count), {})


def _quantise(of: _Translation, node: NodeProto) -> int:
    """Nothing to do where the maker has written these codes already."""
    source, grid = of.at[node.input[0]], of.codes.grid_of(node)
    if of.file.grid(source) == grid:
        return source
    return of.file.operator("QUANTIZE", [source], of.shape(node), grid=grid)


def _dequantise(of: _Translation, node: NodeProto) -> int:
    """Codes stay codes until somebody wants floats."""
    return of.at[node.input[0]]


_OPERATORS: dict[str, Callable[[_Translation, NodeProto], int]] = {
    "Add": _add,
    "Clip": _clip,
    "Conv": _conv,
    "DequantizeLinear": _dequantise,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _pool,
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "QuantizeLinear": _quantise,
    "Relu": _relu,
    "Reshape": _flatten,
}
