"""The networks: IResNet teachers and MobileFaceNet students, by name."""

from embedge.train.models.iresnet import IResNet, iresnet
from embedge.train.models.mobilefacenet import MobileFaceNet, mobilefacenet

__all__ = ["IResNet", "MobileFaceNet", "iresnet", "mobilefacenet"]
