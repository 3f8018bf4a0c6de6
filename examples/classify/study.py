"""KD, ProxylessKD, TH-KD and SH-KD between any two backbones, each from one call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from classify.data import PictureBatches, Pictures
from classify.loss import MixedHeads
from classify.networks import feature_size
from embedge.progress import Progress
from embedge.train.data.feeding.batches import Batch
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.seeds import seeded

__all__ = ["CLASSIFY_METHODS", "Classifier", "Contest", "accuracy_of"]

CLASSIFY_METHODS = ("scratch", "kd", "proxyless", "th-kd", "sh-kd")


@dataclass(frozen=True, slots=True)
class Classifier:
    backbone: nn.Module
    heads: MixedHeads

    def __call__(self, images: Tensor) -> Tensor:
        """The logarithms of its shares."""
        with torch.inference_mode():
            return self.heads.log_shares(self.backbone.eval()(images))

    @property
    def head(self) -> nn.Linear:
        return self.heads.head


def accuracy_of(classifier: Classifier, pictures: Pictures) -> float:
    right = classifier(pictures.images).argmax(1) == pictures.labels
    return float(right.float().mean())


@dataclass(frozen=True, slots=True)
class Contest:
    """What every method gets: the same pictures, networks, steps and seed."""

    pictures: Pictures
    teacher: Callable[[], nn.Module]
    student: Callable[[], nn.Module]
    schedule: Schedule
    seed: int
    folder: Path
    progress: Progress
    a: float = 0.5
    alpha: float = 1.0
    beta: float = 0.0
    temperature: float = 4.0

    def trained_teacher(self) -> Classifier:
        return self._alone("teacher", self.teacher)

    def distilled(self, method: str, teacher: Classifier) -> Classifier:
        """A student by one of CLASSIFY_METHODS."""
        match method:
            case "scratch":
                return self._alone("scratch", self.student)
            case "kd":
                return self._taught("kd", teacher, a=0.0, alpha=self.alpha)
            case "proxyless":
                return self._taught("proxyless", teacher, a=1.0)
            case "th-kd":
                return self._taught("th-kd", teacher, **self._shared)
            case "sh-kd":
                first = self._alone("scratch", self.student)
                return self._taught("sh-kd", self._shaped(teacher, first), **self._shared)
        raise ValueError(f"no classification method {method!r}")

    @property
    def _shared(self) -> dict[str, float]:
        return {"a": self.a, "alpha": self.alpha, "beta": self.beta}

    def _alone(self, name: str, make: Callable[[], nn.Module]) -> Classifier:
        backbone, size = self._made(make)
        with seeded(self.seed):
            heads = MixedHeads(self.pictures.classes, size)
        return self._fitted(name, backbone, heads, None)

    def _taught(
        self, name: str, teacher: Classifier, *, a: float, alpha: float = 0.0, beta: float = 0.0
    ) -> Classifier:
        backbone, size = self._made(self.student)
        with seeded(self.seed):
            heads = MixedHeads(
                self.pictures.classes,
                size,
                teacher=teacher.head,
                a=a,
                alpha=alpha,
                beta=beta,
                temperature=self.temperature,
            )
        return self._fitted(name, backbone, heads, teacher)

    def _shaped(self, teacher: Classifier, first: Classifier) -> Classifier:
        """The teacher, trained again to speak through the first student's frozen head."""
        backbone, size = self._made(self.teacher)
        backbone.load_state_dict(teacher.backbone.state_dict())
        with seeded(self.seed):
            bridge = nn.Linear(size, first.head.in_features, bias=False)
            heads = MixedHeads(self.pictures.classes, first.head.in_features, frozen=first.head)
        return self._fitted("shaped", nn.Sequential(backbone, bridge), heads, None)

    def _made(self, make: Callable[[], nn.Module]) -> tuple[nn.Module, int]:
        with seeded(self.seed):
            backbone = make()
        return backbone, feature_size(backbone, tuple(self.pictures.images.shape[1:]))

    def _fitted(
        self, name: str, backbone: nn.Module, heads: MixedHeads, teacher: Classifier | None
    ) -> Classifier:
        def features(batch: Batch) -> Tensor:
            assert teacher is not None
            with torch.no_grad():
                seen: Tensor = teacher.backbone.eval()(batch.images)
            return seen

        fit(
            name,
            backbone,
            heads,
            PictureBatches(self.pictures, self.schedule.batch, self.seed),
            self.schedule,
            folder=self.folder,
            progress=self.progress,
            teacher=features if teacher else None,
        )
        return Classifier(backbone, heads)
