"""The networks: IResNet teachers, MobileFaceNet and RepFace students, by name."""

from embedge.train.models.iresnet import IResNet, iresnet
from embedge.train.models.mobilefacenet import MobileFaceNet, mobilefacenet
from embedge.train.models.repface import RepFace, repface

__all__ = ["IResNet", "MobileFaceNet", "RepFace", "iresnet", "mobilefacenet", "repface"]
