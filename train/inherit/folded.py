"""A MobileFaceNet teacher as bare convolutions, whether it came as an ONNX file or from torch.

Batch norms are folded in. What follows the last map (pooling filters and a linear layer, or one
large linear layer over all places, as insightface exports it) is kept as one linear map.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, prelu

from embedge.errors import EmbedgeError
from embedge.optional import require
from embedge.train.models import MobileFaceNet
from embedge.train.teachers.mapped import MappedTeacher
from embedge.train.teachers.onnx_teacher import OnnxTeacher
from embedge.train.teachers.teacher import Teacher
from embedge.train.teachers.torch_teacher import TorchTeacher

__all__ = ["BOTTLENECKS", "FoldedConv", "FoldedNet", "folded_teacher"]

# of each bottleneck: the stream that it writes, and whether it adds to it
BOTTLENECKS = (
    *((0, residual) for residual in (False, *[True] * 4)),
    *((1, residual) for residual in (False, *[True] * 6)),
    *((2, residual) for residual in (False, *[True] * 2)),
)
_CONVOLUTIONS = 2 + 3 * len(BOTTLENECKS) + 1
_SCALES = (1, 2, 4)
_UNDERSTOOD = {"Conv", "PRelu", "Relu", "Add", "Flatten", "Reshape", "MatMul", "Gemm"}
_UNDERSTOOD |= {"BatchNormalization", "Identity", "Constant"}


@dataclass(frozen=True, slots=True)
class FoldedConv:
    weight: Tensor
    bias: Tensor
    stride: int = 1
    padding: int = 0
    groups: int = 1
    slopes: Tensor | None = None
    """of the PReLU that follows, where one does"""

    def linear(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)

    def __call__(self, x: Tensor) -> Tensor:
        return self.linear(x) if self.slopes is None else prelu(self.linear(x), self.slopes)


@dataclass(frozen=True, slots=True)
class FoldedNet:
    """`convs`: stem, its depthwise, three of every bottleneck, the one before pooling.

    `places` (dim, channels, height · width) is what maps the last one's output to the embedding.
    """

    convs: tuple[FoldedConv, ...]
    places: Tensor

    def bottleneck(self, number: int) -> tuple[FoldedConv, FoldedConv, FoldedConv]:
        expand, depthwise, project = self.convs[2 + 3 * number : 5 + 3 * number]
        return expand, depthwise, project

    def streams(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """What flows between the bottlenecks, with the number of the stream; x is stem output."""
        for number, (stream, residual) in enumerate(BOTTLENECKS):
            expand, depthwise, project = self.bottleneck(number)
            y = project(depthwise(expand(x)))
            x = x + y if residual else y
            yield stream, x


def folded_teacher(teacher: Teacher) -> FoldedNet:
    """The teacher's own network; a map behind it is no concern of the trunk."""
    if isinstance(teacher, MappedTeacher):
        return folded_teacher(teacher.teacher)
    if isinstance(teacher, TorchTeacher) and isinstance(teacher.network, MobileFaceNet):
        return _checked(_from_network(teacher.network))
    if isinstance(teacher, OnnxTeacher):
        return _checked(_from_onnx(teacher.path))
    raise _no_mobilefacenet("its network is another one")


def _from_network(network: MobileFaceNet) -> FoldedNet:
    convs: list[FoldedConv] = []
    with torch.no_grad():
        for module in network.modules():
            match module:
                case nn.Conv2d():
                    none = torch.zeros(len(module.weight))
                    numbers = (module.stride[0], int(module.padding[0]), module.groups)
                    convs.append(FoldedConv(module.weight.clone(), none, *numbers))
                case nn.BatchNorm2d():
                    convs[-1] = _with_norm(convs[-1], module)
                case nn.PReLU():
                    convs[-1] = replace(convs[-1], slopes=module.weight.clone())
        linear = network.features.layers[2]
        assert isinstance(linear, nn.Linear)
        return _with_tail(convs, linear.weight.T.clone())


def _with_norm(conv: FoldedConv, norm: nn.BatchNorm2d) -> FoldedConv:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    bias = norm.bias + (conv.bias - norm.running_mean) * factor
    return replace(conv, weight=conv.weight * factor[:, None, None, None], bias=bias)


def _from_onnx(path: Path) -> FoldedNet:
    """insightface's export, norms folded into the convolutions."""
    onnx = require("onnx", extra="export")
    graph = onnx.load(path).graph
    known = {w.name: torch.tensor(onnx.numpy_helper.to_array(w).copy()) for w in graph.initializer}
    strange = {node.op_type for node in graph.node} - _UNDERSTOOD
    if strange:
        raise _no_mobilefacenet(f"its graph has {', '.join(sorted(strange))}")
    convs: list[FoldedConv] = []
    matrix: Tensor | None = None
    for node in graph.node:
        match node.op_type:
            case "Conv":
                convs.append(_conv_of_node(node, known))
            case "Relu" if convs:
                convs[-1] = replace(convs[-1], slopes=torch.zeros(len(convs[-1].bias)))
            case "PRelu" if convs and node.input[1] in known:
                convs[-1] = replace(convs[-1], slopes=known[node.input[1]].flatten())
            case "MatMul" | "Gemm" if node.input[1] in known:
                turned = any(a.name == "transB" and a.i for a in node.attribute)
                matrix = known[node.input[1]].T if turned else known[node.input[1]]
    if matrix is None:
        raise _no_mobilefacenet("it ends without a linear layer")
    return _with_tail(convs, matrix)


def _with_tail(convs: list[FoldedConv], matrix: Tensor) -> FoldedNet:
    """The last convolution pools each channel, or narrows them for a matrix over all places."""
    if len(convs) != _CONVOLUTIONS + 1:
        raise _no_mobilefacenet(f"it has {len(convs)} convolutions")
    *trunk, last = convs
    if last.groups > 1:
        return FoldedNet(tuple(trunk), matrix.T[:, :, None] * last.weight.flatten(1))
    over = matrix.reshape(len(last.weight), -1, matrix.shape[1])
    places = torch.einsum("jpk,jc->kcp", over, last.weight[:, :, 0, 0])
    return FoldedNet(tuple(trunk), places)


def _conv_of_node(node: Any, known: dict[str, Tensor]) -> FoldedConv:
    facts = {a.name: a.ints[0] if a.ints else a.i for a in node.attribute}
    if len(node.input) < 3 or node.input[1] not in known:
        raise _no_mobilefacenet("its batch norms are not folded into the convolutions")
    stride, padding = int(facts.get("strides", 1)), int(facts.get("pads", 0))
    weight, bias = known[node.input[1]], known[node.input[2]]
    return FoldedConv(weight, bias, stride, padding, int(facts.get("group", 1)))


def _checked(net: FoldedNet) -> FoldedNet:
    """Refuse a network that is not a MobileFaceNet, convolution by convolution."""
    shapes = [tuple(conv.weight.shape) for conv in net.convs]
    for scale in _SCALES:
        if shapes == [s for s, _ in zip(_shapes(scale), range(_CONVOLUTIONS))]:
            return net
    raise _no_mobilefacenet("its convolutions have other shapes")


def _shapes(scale: int) -> Iterator[tuple[int, ...]]:
    network = MobileFaceNet(8, scale=scale)
    return (tuple(m.weight.shape) for m in network.modules() if isinstance(m, nn.Conv2d))


def _no_mobilefacenet(why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-START",
        f"a student cannot begin as a slice of this teacher, which is no MobileFaceNet: {why}",
        remedy="Set student.start to random",
    )
