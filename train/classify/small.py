"""Two backbones for pictures of 8×8, to try things on."""

from torch import nn

__all__ = ["convolutional", "tiny"]


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


def tiny(features: int = 6) -> nn.Module:
    """Two linear layers with a neck."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, features), nn.ReLU())
