"""ncnn's INT8, written into its own two files: per channel, from the ranges of our own graph.

ncnn rounds what a layer reads to S8 around zero and keeps codes between layers that follow each
other. Convolutions in groups, depthwise ones among them, stay in float: its INT8 kernels for those
took three times as long. The weights of a layer tell which of our layers it is: names are lost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.export.graph.running import Images, batches_of, read_contract
from embedge.export.graph.surgery import Graph, group_count, is_weighted
from embedge.export.int8.compensation import correct_biases
from embedge.export.int8.placement import activation_scales, wanted_tensors
from embedge.export.int8.qdq import FEW, calibrated_graph
from embedge.export.int8.ranges import weight_codes, weight_scales
from embedge.export.targets import Converted
from embedge.export.targets.ncnn import ncnn_from_onnx

__all__ = ["ncnn_int8_from_graph"]

_INT8 = np.array([0x000D4B38], "<u4").tobytes()  # how ncnn marks codes
_PER_CHANNEL, _CODES_OUT = 2, 100  # its `int8_scale_term`
_NO_WEIGHTS = {
    *("BinaryOp", "Clip", "Dropout", "Eltwise", "Flatten", "HardSigmoid", "HardSwish", "Input"),
    *("Noop", "Permute", "Pooling", "ReLU", "Reshape", "Sigmoid", "Split", "Squeeze", "Swish"),
}
# where a layer keeps the number of its results, whether it has a bias, the number of its weights
_KEYS = {"Convolution": (0, 5, 6), "ConvolutionDepthWise": (0, 5, 6), "InnerProduct": (0, 1, 2)}


@dataclass(frozen=True, slots=True)
class _Layer:
    """A line of the file of layers, and the numbers that belong to it."""

    kind: str
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    options: dict[int, str]
    numbers: bytes = b""
    weights: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None

    @property
    def key(self) -> bytes:
        return b"" if self.weights is None else self.weights.tobytes()

    @property
    def line(self) -> str:
        told = " ".join(f"{key}={value}" for key, value in self.options.items())
        blobs = " ".join([*self.reads, *self.writes])
        counts = f"{len(self.reads)} {len(self.writes)}"
        return f"{self.kind:<24} {self.name:<24} {counts} {blobs} {told}".rstrip()


def ncnn_int8_from_graph(graph: Graph, images: Images) -> Converted:
    """`graph` takes float pictures and carries its contract; what it reads is seen on `images`."""
    contract = read_contract(graph)
    calibrated = calibrated_graph(graph, images, "trt")
    graph = calibrated.graph.copy()
    slow = {node.name for node in graph.nodes if group_count(node) > 1}
    wanted = wanted_tensors(graph, "trt", kept=frozenset(calibrated.last) | slow)
    ranges = calibrated.ranges(wanted, "mse")
    few = batches_of(images[:FEW], contract)
    correct_biases(graph, wanted, ranges, "trt", few, bits=8, known={})
    scales = activation_scales(wanted, ranges, "trt")
    known = {
        graph.constants[node.input[1]].tobytes(): float(scales[node.input[0]].scale)
        for node in wanted.nodes
        if is_weighted(graph, node)
    }
    made = ncnn_from_onnx(graph.copy().to_model().SerializeToString(), contract.size, half=False)
    layers, weights = made.files.values()
    files = zip(made.files, _in_int8(list(_layers(layers.decode(), weights)), known))
    return Converted(dict(files), made.tools)


def _in_int8(layers: list[_Layer], known: dict[bytes, float]) -> tuple[bytes, bytes]:
    steps = {one.name: known[one.key] for one in layers if one.key in known}
    if not steps:
        raise _strange("none of its layers has the weights of ours")
    done = [
        _quantised(one, steps[one.name], _after(one, layers, steps)) if one.name in steps else one
        for one in layers
    ]
    head = f"7767517\n{len(done)} {sum(len(one.writes) for one in done)}\n"
    lines = "".join(f"{one.line}\n" for one in done)
    return (head + lines).encode(), b"".join(one.numbers for one in done)


def _after(layer: _Layer, layers: list[_Layer], steps: dict[str, float]) -> float | None:
    """The step that whoever reads this layer rounds to; None where one of them reads floats."""
    found = {steps.get(one.name) for one in layers if layer.writes[0] in one.reads}
    return found.pop() if len(found) == 1 else None


def _quantised(layer: _Layer, step: float, after: float | None) -> _Layer:
    assert layer.weights is not None  # by them it was known
    count = int(layer.options[_KEYS[layer.kind][0]])
    weights, bias = layer.weights.reshape(count, -1), layer.bias
    scales = weight_scales(weights, bias, np.float32(step))
    codes = weight_codes(weights, scales).tobytes()
    factors = [*(1 / scales), 1 / step, *([] if after is None else [1 / after])]
    numbers = [_INT8, codes, bytes(-len(codes) % 4), *([] if bias is None else [bias.tobytes()])]
    return replace(
        layer,
        options=layer.options | {8: str(_PER_CHANNEL + (0 if after is None else _CODES_OUT))},
        numbers=b"".join([*numbers, np.array(factors, "<f4").tobytes()]),
    )


def _layers(text: str, data: bytes) -> Iterator[_Layer]:
    """Line by line, each with its numbers from the file of weights."""
    place = 0
    for line in text.splitlines()[2:]:
        kind, name, inputs, outputs, *words = line.split()
        first, last = int(inputs), int(inputs) + int(outputs)
        pairs = (word.split("=", 1) for word in words[last:])
        blobs = tuple(words[:first]), tuple(words[first:last])
        layer = _Layer(kind, name, *blobs, {int(key): value for key, value in pairs})
        weights, bias = _counts(layer)
        marked = kind in _KEYS
        start, place = place, place + 4 * (marked + weights + bias)
        layer = replace(layer, numbers=data[start:place])
        if marked:
            if layer.numbers[:4] != bytes(4):
                raise _strange(f"the weights of {name} are no float32")
            floats = np.frombuffer(layer.numbers, "<f4", offset=4)
            layer = replace(
                layer, weights=floats[:weights], bias=floats[weights:] if bias else None
            )
        yield layer
    if place != len(data):
        raise _strange(f"{len(data) - place} bytes of weights are left over")


def _counts(layer: _Layer) -> tuple[int, int]:
    """How many weights and biases."""
    if layer.kind in _KEYS:
        results, biased, weights = (int(layer.options.get(key, "0")) for key in _KEYS[layer.kind])
        return weights, results if biased else 0
    if layer.kind == "PReLU":
        return int(layer.options[0]), 0
    if layer.kind in _NO_WEIGHTS:
        return 0, 0
    raise _strange(f"the layer {layer.kind} is not known")


def _strange(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-TARGET",
        f"the network cannot be written in INT8 for ncnn: {what}",
        remedy="Convert it with --precision fp16",
    )
