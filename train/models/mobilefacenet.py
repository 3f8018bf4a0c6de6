"""MobileFaceNet as insightface trains it (`mbf`), layer for layer and name for name.

The parameter names equal those of arcface_torch, so its checkpoints load as they are.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import conv2d

from embedge.train.models.quick.layers import filtered, normed
from embedge.train.models.tail import Tailed, with_tail

__all__ = [
    "Activation",
    "ConvBlock",
    "Depthwise",
    "GlobalDepthwise",
    "MobileFaceNet",
    "activation_of",
    "initialise",
    "mobilefacenet",
    "repeated",
]

Activation = Literal["prelu", "relu", "relu6"]


def activation_of(kind: Activation, channels: int) -> nn.Module:
    match kind:
        case "prelu":
            return nn.PReLU(channels)
        case "relu":
            return nn.ReLU(inplace=True)
        case "relu6":
            return nn.ReLU6(inplace=True)


class Depthwise(nn.Conv2d):
    """One filter per channel, or per group where those are fewer; trains quickly on CPUs too.

    The same numbers by other roads, in training only; in evaluation, and so in every export, it is
    the plain convolution. Measured on AMX cores in bf16, 32 pictures: the input gradient of a
    stride of two takes oneDNN 116 ms, the gradient of a stride of one with every second place left
    out 3 ms.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu":
            return super().forward(x)
        if self._covers(x):
            return (x * self.weight[:, 0]).sum((2, 3), keepdim=True)
        if self.stride == (2, 2):
            whole = conv2d(x, self.weight, self.bias, 1, self.padding, 1, self.groups)
            return whole[..., ::2, ::2]
        return super().forward(x)

    def _covers(self, x: Tensor) -> bool:
        """Whether the filter sees the whole map at once: a weighted sum then."""
        single = self.groups == self.in_channels == self.out_channels
        return single and x.shape[2:] == self.kernel_size and self.padding == (0, 0)


class ConvBlock(nn.Module):
    """Convolution, batch norm and, unless it is linear, an activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        activation: Activation | None = "prelu",
    ):
        super().__init__()
        convolution = nn.Conv2d if groups == 1 else Depthwise
        layers: list[nn.Module] = [
            convolution(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if activation is not None:
            layers.append(activation_of(activation, outputs))
        self.layers = nn.Sequential(*layers)

    @property
    def parts(self) -> tuple[nn.Conv2d, nn.Module, nn.Module | None]:
        """Convolution, norm and activation."""
        convolution, norm, *activation = self.layers
        assert isinstance(convolution, nn.Conv2d)
        return convolution, norm, activation[0] if activation else None

    def forward(self, x: Tensor, more: Tensor | None = None) -> Tensor:
        """With `more`, that is added to what comes out."""
        convolution, norm, activation = self.parts
        return normed(convolution(x), norm, activation, more)


def _block(module: nn.Module) -> ConvBlock:
    assert isinstance(module, ConvBlock)
    return module


def _chained(x: Tensor, first: ConvBlock, depthwise: ConvBlock) -> Tensor:
    """depthwise(first(x)), and what lies between them never in memory where that can be trained."""
    convolution, norm, activation = first.parts
    filters, norm_after, activation_after = depthwise.parts
    mapped = convolution(x)
    found = filtered(mapped, norm, activation, filters, norm_after)
    if found is None:
        y: Tensor = depthwise(normed(mapped, norm, activation))
        return y
    y, moments = found
    return normed(y, norm_after, activation_after, known=moments)


class _Bottleneck(nn.Module):
    """Expand to `hidden` channels, filter each of them, project back; inverted residual."""

    def __init__(self, inputs: int, outputs: int, hidden: int, stride: int, activation: Activation):
        super().__init__()
        self.residual = stride == 1
        self.layers = nn.Sequential(
            ConvBlock(inputs, hidden, activation=activation),
            ConvBlock(
                hidden, hidden, 3, stride=stride, padding=1, groups=hidden, activation=activation
            ),
            ConvBlock(hidden, outputs, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        expand, depthwise, project = map(_block, self.layers)
        features: Tensor = project(_chained(x, expand, depthwise), x if self.residual else None)
        return features


class _Stack(nn.Module):
    """`count` residual bottlenecks of one shape."""

    def __init__(self, count: int, channels: int, hidden: int, activation: Activation):
        super().__init__()
        blocks = (_Bottleneck(channels, channels, hidden, 1, activation) for _ in range(count))
        self.layers = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


class GlobalDepthwise(nn.Module):
    """A 7x7 depthwise convolution weighs the places of the face, then a linear embedding."""

    def __init__(self, channels: int, dim: int):
        super().__init__()
        self.layers = nn.Sequential(
            ConvBlock(channels, channels, 7, groups=channels, activation=None),
            nn.Flatten(),
            nn.Linear(channels, dim, bias=False),
            nn.BatchNorm1d(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


class MobileFaceNet(Tailed):
    """112x112 pictures in [-1, 1] to embeddings that are not yet normalised.

    `scale` widens the trunk but not the bottlenecks, as insightface does; `width` scales all
    channels, bottlenecks and tail too, for students smaller than the published ones; `depth` the
    number of residual bottlenecks.
    """

    def __init__(
        self,
        dim: int = 512,
        *,
        scale: int,
        width: float = 1.0,
        depth: float = 1.0,
        activation: Activation = "prelu",
    ):
        super().__init__()
        self.dim = dim

        def channels(base: int) -> int:
            return max(8, round(base * width / 8) * 8)

        narrow, wide, tail = channels(64 * scale), channels(128 * scale), channels(512)
        self.layers = nn.ModuleList(
            [
                ConvBlock(3, narrow, 3, stride=2, padding=1, activation=activation),
                ConvBlock(narrow, narrow, 3, padding=1, groups=channels(64), activation=activation),
                _Bottleneck(narrow, narrow, channels(128), 2, activation),
                _Stack(repeated(4, depth), narrow, channels(128), activation),
                _Bottleneck(narrow, wide, channels(256), 2, activation),
                _Stack(repeated(6, depth), wide, channels(256), activation),
                _Bottleneck(wide, wide, channels(512), 2, activation),
                _Stack(repeated(2, depth), wide, channels(256), activation),
            ]
        )
        self.conv_sep = ConvBlock(wide, tail, activation=activation)
        self.features = GlobalDepthwise(tail, dim)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        stem, depthwise, *trunk = self.layers
        x = _chained(x, _block(stem), _block(depthwise))
        for layer in trunk:
            x = layer(x)
        return with_tail(x, lambda y: self.features(self.conv_sep(y)), full=self.fp32_tail)


def repeated(blocks: int, depth: float) -> int:
    """At least one is left."""
    return max(1, round(blocks * depth))


def initialise(module: nn.Module) -> None:
    """By what a filter reads: counted by what it feeds, as arcface_torch does, depthwise filters
    begin so small that the first steps of AdamW, which knows no scale, drown them."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def mobilefacenet(
    dim: int = 512,
    *,
    scale: int,
    width: float = 1.0,
    depth: float = 1.0,
    activation: Activation = "prelu",
) -> MobileFaceNet:
    """The published `mbf` (scale 2: 2.06 M parameters, 437 M MACs) and its smaller relatives."""
    return MobileFaceNet(dim, scale=scale, width=width, depth=depth, activation=activation)
