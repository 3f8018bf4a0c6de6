"""Residual networks for pictures of 32×32, as deep and as wide as one likes.

Every norm is followed by an activation or a sum, never by both: that is what the product's kernels
train in one pass over memory. The stream between blocks is linear.
"""

from torch import Tensor, nn

from embedge.train.models.quick.layers import normed

__all__ = ["residual"]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.beside = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.beside is None else self.beside(x)
        return normed(
            self.conv2(normed(self.conv1(x), self.bn1, self.relu)), self.bn2, None, shortcut
        )


class _Residual(nn.Module):
    def __init__(self, blocks: int, width: int, features: int, stem_stride: int):
        super().__init__()
        widths = (width, width, 2 * width, 4 * width)
        self.conv = nn.Conv2d(3, width, 3, stem_stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.stages = nn.Sequential(
            *(_stage(widths[i], widths[i + 1], blocks, 1 + (i > 0)) for i in range(3))
        )
        self.wide = nn.Conv2d(4 * width, features, 1, bias=False)
        self.last = nn.BatchNorm2d(features)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.wide(self.stages(normed(self.conv(x), self.bn, self.relu)))
        return normed(x, self.last, self.relu).float().mean((2, 3))


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    tail = [_Block(outputs, outputs, 1) for _ in range(blocks - 1)]
    return nn.Sequential(_Block(inputs, outputs, stride), *tail)


def residual(
    blocks: int = 1, width: int = 16, features: int = 64, stem_stride: int = 1
) -> nn.Module:
    """6 × blocks + 3 layers; whatever their width, teacher and student can have as many features.

    A stem with a stride of two takes a quarter of the work, for a few points.
    """
    return _Residual(blocks, width, features, stem_stride)
