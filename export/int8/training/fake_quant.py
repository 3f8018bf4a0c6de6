"""The quantised graph as a torch module that can be trained: what is trained is what is shipped.

Every node of the calibrated float graph runs in torch, with the scales of the INT8 graph applied
where its Q/DQ pairs will stand. Gradients pass straight through rounding and stop at clipping.
"""

from collections.abc import Callable

import numpy as np
import torch
from onnx import NodeProto
from torch import Tensor, nn
from torch.nn import functional

from embedge.errors import EmbedgeError
from embedge.export.graph.channels import slope_of
from embedge.export.graph.running import Images, batches_of, read_contract
from embedge.export.graph.surgery import attribute, is_weighted, node_place
from embedge.export.int8 import WEIGHT_BITS
from embedge.export.int8.compensation import correct_biases
from embedge.export.int8.placement import activation_scales, slope_scale, wanted_tensors
from embedge.export.int8.qdq import FEW, Calibrated
from embedge.export.int8.ranges import Method, Scale

__all__ = ["FakeQuantised"]

Values = dict[str, Tensor]


class FakeQuantised(nn.Module):
    """Pictures (N, 3, H, W) to embeddings, as INT8 will compute them; weights and biases train."""

    def __init__(
        self,
        calibrated: Calibrated,
        images: Images,
        method: Method = "mse",
        *,
        bits: int = WEIGHT_BITS,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.calibrated, self.method, self.bits = calibrated, method, bits
        graph, target = calibrated.graph.copy(), calibrated.target
        wanted = wanted_tensors(graph, target, kept=kept | calibrated.last.keys())
        ranges = calibrated.ranges(wanted, method)
        few = batches_of(images[:FEW], read_contract(graph))
        correct_biases(graph, wanted, ranges, target, few, bits=bits)
        self.graph = graph
        self.scales = activation_scales(wanted, ranges, target)
        self.rounded = {node.name for node in wanted.nodes}
        self.trained = nn.ParameterDict()
        self.keys: dict[str, str] = {}
        for node in graph.nodes:
            if is_weighted(graph, node):
                for name in node.input[1:3]:
                    self._adopt(name)
        self.fixed: dict[str, Tensor | str] = {}
        constants = {name: v for name, v in graph.constants.items() if name not in self.keys}
        for node in wanted.nodes:
            if node.op_type == "PRelu":
                grid = slope_scale(slope_of(graph, node))
                constants[node.input[1]] = grid.values(grid.codes(slope_of(graph, node)))
        for name, value in constants.items():
            self._fix(name, torch.from_numpy(np.array(value)))

    def _adopt(self, name: str) -> None:
        key = f"p{len(self.keys)}"  # a parameter's name may not hold the dots of an ONNX name
        self.keys[name] = key
        self.trained[key] = nn.Parameter(torch.from_numpy(self.graph.constants[name].copy()))

    def _fix(self, name: str, value: Tensor) -> None:
        """Where the module goes its constants go; single numbers are read on the host."""
        if value.ndim == 0:
            self.fixed[name] = value
            return
        key = f"f{len(self.fixed)}"
        self.fixed[name] = key
        self.register_buffer(key, value, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        source = self.graph.inputs[0].name
        values: Values = {source: self._rounded(source, image)}
        for node in self.graph.nodes:
            result = node.output[0]
            values[result] = self._rounded(result, self._run(node, values))
        return values[self.graph.outputs[0].name]

    def _value(self, name: str, values: Values) -> Tensor:
        if name in values:
            return values[name]
        if name in self.keys:
            trained: Tensor = self.trained[self.keys[name]]
            return trained
        fixed = self.fixed[name]
        return self.get_buffer(fixed) if isinstance(fixed, str) else fixed

    def _rounded(self, name: str, value: Tensor) -> Tensor:
        scale = self.scales.get(name)
        return value if scale is None else _fake(value, scale)

    def _run(self, node: NodeProto, values: Values) -> Tensor:
        inputs = [self._value(name, values) for name in node.input]
        if is_weighted(self.graph, node) and node.name in self.rounded:
            inputs[1] = _fake_weight(inputs[1], self.bits)
        if node.op_type in _PLAIN:
            return _PLAIN[node.op_type](*inputs)
        if node.op_type in _WITH_ATTRIBUTES:
            return _WITH_ATTRIBUTES[node.op_type](node, *inputs)
        raise EmbedgeError(
            "E-NOT-QUANTISABLE",
            f"{node_place(node)} cannot be trained with fake quantisation",
            remedy="Set int8.qat.steps to 0, or export without this operator",
        )

    def to_calibrated(self) -> Calibrated:
        """The float graph with the trained weights and the ranges it was trained in."""
        graph = self.graph.copy()
        for name, key in self.keys.items():
            graph.constants[name] = self.trained[key].detach().cpu().numpy().copy()
        old = self.calibrated
        return Calibrated(graph, old.target, old.counts, old.fixed, old.last)


def _fake(value: Tensor, scale: Scale) -> Tensor:
    limits = np.iinfo(scale.kind)
    return torch.fake_quantize_per_tensor_affine(
        value, float(scale.scale), scale.zero, int(limits.min), int(limits.max)
    )


def _fake_weight(weight: Tensor, bits: int) -> Tensor:
    limit = 2 ** (bits - 1) - 1
    largest = weight.detach().reshape(len(weight), -1).abs().amax(dim=1)
    zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    scale = (largest / limit).clamp_min(1e-12)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -limit, limit)


def _conv(node: NodeProto, image: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    return functional.conv2d(
        functional.pad(image, (left, right, top, bottom)),
        weight,
        bias,
        stride=tuple(attribute(node, "strides", [1, 1])),
        dilation=tuple(attribute(node, "dilations", [1, 1])),
        groups=attribute(node, "group", 1),
    )


def _prelu(value: Tensor, slope: Tensor) -> Tensor:
    if slope.numel() not in (1, value.shape[1]):
        return torch.where(value < 0, value * slope, value)
    return functional.prelu(value, slope.reshape(-1))


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Clip": lambda value, low, high: value.clamp(float(low), float(high)),
    "Gemm": functional.linear,
    "Mul": torch.mul,
    "PRelu": _prelu,
    "Relu": torch.relu,
}
_WITH_ATTRIBUTES: dict[str, Callable[..., Tensor]] = {
    "Concat": lambda node, *parts: torch.cat(parts, dim=attribute(node, "axis")),
    "Conv": _conv,
    "Flatten": lambda node, value: value.flatten(attribute(node, "axis", 1)),
    "Gather": lambda node, value, picked: value.index_select(attribute(node, "axis", 0), picked),
}
