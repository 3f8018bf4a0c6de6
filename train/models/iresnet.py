"""IResNet, the residual network of arcface_torch; the parameter names equal its checkpoints'."""

from torch import Tensor, nn

from embedge.train.models.quick.layers import normed
from embedge.train.models.tail import Tailed, with_tail

__all__ = ["IResNet", "iresnet"]

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}
_FINAL_SIDE = 7


class _Block(nn.Module):
    """Batch norm first, PReLU in the middle, nothing after the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = normed(self.conv1(normed(x, self.bn1, None)), self.bn2, self.prelu)
        return normed(self.conv2(x), self.bn3, None, shortcut)


class IResNet(Tailed):
    """112x112 pictures in [-1, 1] to embeddings that are not yet normalised."""

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        dim: int = 512,
        *,
        channels: tuple[int, int, int, int] = (64, 128, 256, 512),
    ):
        super().__init__()
        self.dim = dim
        self.conv1 = nn.Conv2d(3, channels[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.prelu = nn.PReLU(channels[0])
        inputs = (channels[0], *channels)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(inputs[i], channels[i], blocks[i]) for i in range(4)
        )
        self.bn2 = nn.BatchNorm2d(channels[3])
        self.fc = nn.Linear(channels[3] * _FINAL_SIDE**2, dim)
        self.features = nn.BatchNorm1d(dim)
        # embeddings are compared by angle: a learnt scale per axis would only distort it
        nn.init.constant_(self.features.weight, 1.0)
        self.features.weight.requires_grad = False
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = normed(self.conv1(x), self.bn1, self.prelu)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.bn2(x).flatten(1)
        return with_tail(x, lambda y: self.features(self.fc(y)), full=self.fp32_tail)


def _stage(inputs: int, outputs: int, count: int) -> nn.Sequential:
    tail = [_Block(outputs, outputs, 1) for _ in range(count - 1)]
    return nn.Sequential(_Block(inputs, outputs, 2), *tail)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0, 0.1)


def iresnet(
    depth: int = 50, dim: int = 512, *, channels: tuple[int, int, int, int] = (64, 128, 256, 512)
) -> IResNet:
    """The published r18, r34, r50, r100, r200, or a narrower one of the same depth."""
    return IResNet(DEPTHS[depth], dim, channels=channels)
