"""A face network that is an ONNX graph, as a torch module that runs on any device.

It takes the operators that IResNets, MobileFaceNets and their like are made of. Whoever uses it
compares it with the graph's own answers first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from embedge.optional import require

__all__ = ["GraphNetwork", "NotUnderstood", "network_from_onnx"]


class NotUnderstood(Exception):
    """The graph holds what has no counterpart here."""


@dataclass(frozen=True, slots=True)
class _Step:
    run: Callable[..., Tensor]
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    output: str
    last: tuple[str, ...]
    """whom nobody asks for afterwards: a large batch must not keep every layer"""


class GraphNetwork(nn.Module):
    """Pictures (N, 3, H, W) to what the graph gives."""

    def __init__(self, steps: list[_Step], constants: dict[str, Tensor], image: str, answer: str):
        super().__init__()
        self.steps, self.image, self.answer = steps, image, answer
        self.held = {name: f"c{number}" for number, name in enumerate(constants)}
        for name, value in constants.items():
            self.register_buffer(self.held[name], value, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        values = {self.image: images}
        for step in self.steps:
            given = [self._value(name, values) for name in step.inputs]
            values[step.output] = step.run(*given, **step.attributes)
            for name in step.last:
                values.pop(name, None)
        return values[self.answer]

    def _value(self, name: str, values: dict[str, Tensor]) -> Tensor:
        return self.get_buffer(self.held[name]) if name in self.held else values[name]


def network_from_onnx(path: Path) -> GraphNetwork:
    """The graph's network in float32; `NotUnderstood` names what stands in the way."""
    onnx = require("onnx", extra="export")
    graph = onnx.load(path).graph
    arrays = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    nodes = [node for node in graph.node if not _is_constant(node, arrays, onnx)]
    unknown = {node.op_type for node in nodes} - _OPERATORS.keys()
    inputs = [one.name for one in graph.input if one.name not in arrays]
    if unknown or len(inputs) != 1 or len(graph.output) != 1:
        what = f"the operators {', '.join(sorted(unknown))}" if unknown else "its inputs or outputs"
        raise NotUnderstood(what)
    users = {name: place for place, node in enumerate(nodes) for name in _asked(node)}
    steps = [
        _Step(
            _OPERATORS[node.op_type],
            _attributes(node, arrays, onnx),
            _asked(node),
            node.output[0],
            tuple(n for n in {*_asked(node)} if users[n] == place and n not in arrays),
        )
        for place, node in enumerate(nodes)
    ]
    constants = {name: _tensor(value) for name, value in arrays.items() if name in users}
    for slope in {node.input[1] for node in nodes if node.op_type == "PRelu"} & constants.keys():
        constants[slope] = constants[slope].flatten()  # converters want it as torch keeps it
    return GraphNetwork(steps, constants, inputs[0], graph.output[0].name).eval()


def _asked(node: Any) -> tuple[str, ...]:
    """Shapes and bounds are known beforehand: nobody waits for the device to tell them."""
    return tuple(name for name in node.input if name)[: 1 if node.op_type in _TOLD else None]


def _attributes(node: Any, arrays: dict[str, Any], onnx: Any) -> dict[str, Any]:
    found = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    for key, name in zip(_TOLD.get(node.op_type, ()), node.input[1:]):
        if name and name not in arrays:
            raise NotUnderstood(f"{node.op_type}, whose {key} is computed")
        if name:
            found[key] = arrays[name].tolist()
    return found


def _is_constant(node: Any, arrays: dict[str, Any], onnx: Any) -> bool:
    """Its value then stands among the arrays."""
    if node.op_type != "Constant":
        return False
    values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if values.keys() != {"value"}:
        raise NotUnderstood(f"a constant given as {', '.join(values)}")
    arrays[node.output[0]] = onnx.numpy_helper.to_array(values["value"])
    return True


def _tensor(value: Any) -> Tensor:
    held = torch.from_numpy(np.array(value))
    return held.float() if held.is_floating_point() else held


def _conv(image: Tensor, weight: Tensor, bias: Tensor | None = None, **attributes: Any) -> Tensor:
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NotUnderstood("a convolution that pads by itself")
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        image, (top, left) = functional.pad(image, (left, right, top, bottom)), (0, 0)
    strides, dilations = attributes.get("strides", (1, 1)), attributes.get("dilations", (1, 1))
    return functional.conv2d(
        image, weight, bias, strides, (top, left), dilations, attributes.get("group", 1)
    )


def _norm(
    image: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, **attributes: Any
) -> Tensor:
    epsilon = attributes.get("epsilon", 1e-5)
    return functional.batch_norm(image, mean, variance, weight, bias, eps=epsilon)


def _prelu(image: Tensor, slope: Tensor) -> Tensor:
    return functional.prelu(image, slope if slope.dim() == 1 else slope.flatten())


def _gemm(left: Tensor, right: Tensor, bias: Tensor | None = None, **attributes: Any) -> Tensor:
    if attributes.get("transA") or {attributes.get(n, 1.0) for n in ("alpha", "beta")} != {1.0}:
        raise NotUnderstood("a matrix product with factors")
    return functional.linear(left, right if attributes.get("transB") else right.T, bias)


def _flatten(image: Tensor, axis: int = 1) -> Tensor:
    if axis != 1:
        raise NotUnderstood("a flattening of the batch")
    return image.flatten(1)


def _reshape(image: Tensor, shape: list[int], **_: Any) -> Tensor:
    """The batch is kept, whatever stands for it."""
    return image.reshape(len(image), *shape[1:])


def _slice(
    image: Tensor,
    starts: list[int],
    ends: list[int],
    axes: list[int] | None = None,
    steps: list[int] | None = None,
) -> Tensor:
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps):
        if axis % image.ndim == 0:
            raise NotUnderstood("a slice of the batch")
        # torch has no steps backwards: the places are named, on the host
        places = range(image.shape[axis])[start : end if end >= -image.shape[axis] else None : step]
        if step == 1:
            image = image.narrow(axis, places.start, len(places))
        elif len(places) == image.shape[axis]:
            image = image.flip(axis)
        else:
            raise NotUnderstood("a slice with steps")
    return image


_TOLD = {
    "Clip": ("min", "max"),
    "Reshape": ("shape",),
    "Slice": ("starts", "ends", "axes", "steps"),
}
_OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "BatchNormalization": _norm,
    "Clip": torch.clamp,
    "Conv": _conv,
    "Div": torch.div,
    "Dropout": lambda image, *_, **__: image,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda image: image.mean((2, 3), keepdim=True),
    "HardSwish": functional.hardswish,
    "Identity": lambda image: image,
    "MatMul": torch.matmul,
    "Mul": torch.mul,
    "PRelu": _prelu,
    "Relu": functional.relu,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sub": torch.sub,
}
