"""A student network by its shape: which architecture, how wide, how deep."""

from dataclasses import dataclass
from typing import Literal

from embedge.train.models.mobilefacenet import Activation, MobileFaceNet
from embedge.train.models.repface import RepFace
from embedge.train.models.tail import Tailed

__all__ = ["Architecture", "StudentShape"]

Architecture = Literal["mobilefacenet", "repface"]


@dataclass(frozen=True, slots=True)
class StudentShape:
    architecture: Architecture
    scale: Literal[1, 2, 4]
    """MobileFaceNet's"""
    width: float
    depth: float
    activation: Activation

    def network(self, dim: int) -> Tailed:
        width, depth, activation = self.width, self.depth, self.activation
        match self.architecture:
            case "mobilefacenet":
                return MobileFaceNet(
                    dim, scale=self.scale, width=width, depth=depth, activation=activation
                )
            case "repface":
                return RepFace(dim, width=width, depth=depth, activation=activation)
