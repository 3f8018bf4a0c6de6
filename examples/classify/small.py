"""Two backbones for pictures of 8×8, to try things on."""

from torch import nn

__all__ = ["convolutional", "thin"]


def convolutional(width: int = 32) -> nn.Module:
    """Three convolutions, 16·width features."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )


def thin() -> nn.Module:
    """The same with a sixteenth of the channels: 32 features."""
    return convolutional(2)
