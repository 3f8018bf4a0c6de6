"""KD, L2E, ProxylessKD, TH-KD and SH-KD between any two backbones, each from one call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from classify.data import Course, Features, Pictures
from classify.loss import MixedHeads
from classify.networks import feature_size
from embedge.progress import Progress
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.seeds import seeded

__all__ = ["CLASSIFY_METHODS", "Classifier", "Contest", "accuracy_of"]

CLASSIFY_METHODS = ("scratch", "kd", "l2e", "proxyless", "th-kd", "sh-kd")


@dataclass(frozen=True, slots=True)
class Classifier:
    backbone: nn.Module
    heads: MixedHeads
    name: str = ""
    """unlike that of any other in its contest"""

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
    """What every method gets: the same pictures, networks, steps and seed.

    A training that `folder` holds is not done again; `teaching`, where it differs from `schedule`,
    is how the teacher is trained and shaped.
    """

    pictures: Course
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
    distance: float = 1.0
    """of l2e"""
    teaching: Schedule | None = None

    def trained_teacher(self) -> Classifier:
        return self._alone("teacher", self.teacher, self.teaching)

    def distilled(self, method: str, teacher: Classifier) -> Classifier:
        """A student by one of CLASSIFY_METHODS."""
        match method:
            case "scratch":
                return self._alone("scratch", self.student)
            case "kd":
                return self._taught("kd", teacher, a=0.0, alpha=self.alpha)
            case "l2e":
                return self._taught("l2e", teacher, a=0.0, beta=self.distance)
            case "proxyless":
                return self._taught("proxyless", teacher, a=1.0)
            case "th-kd":
                return self._taught("th-kd", teacher, **self._shared)
            case "sh-kd":
                return self._taught("sh-kd", self.shaped(teacher), **self._shared)
        raise ValueError(f"no classification method {method!r}")

    @property
    def _shared(self) -> dict[str, float]:
        return {"a": self.a, "alpha": self.alpha, "beta": self.beta}

    def shaped(self, teacher: Classifier) -> Classifier:
        """The teacher, trained again to speak through the frozen head of a student from scratch."""
        first = self._alone("scratch", self.student).head
        backbone, size = self._made(self.teacher)
        backbone.load_state_dict(teacher.backbone.state_dict())
        with seeded(self.seed):
            if size != first.in_features:
                backbone = nn.Sequential(backbone, nn.Linear(size, first.in_features, bias=False))
            heads = MixedHeads(self.pictures.classes, first.in_features, frozen=first)
        return self._fitted("shaped", backbone, heads, None, self.teaching)

    def _alone(
        self, name: str, make: Callable[[], nn.Module], schedule: Schedule | None = None
    ) -> Classifier:
        backbone, size = self._made(make)
        with seeded(self.seed):
            heads = MixedHeads(self.pictures.classes, size)
        return self._fitted(name, backbone, heads, None, schedule)

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
        said = self.pictures.seen_by(teacher.name, teacher.backbone)
        return self._fitted(name, backbone, heads, said)

    def _made(self, make: Callable[[], nn.Module]) -> tuple[nn.Module, int]:
        with seeded(self.seed):
            backbone = make()
        return backbone, feature_size(backbone, self.pictures.shape)

    def _fitted(
        self,
        name: str,
        backbone: nn.Module,
        heads: MixedHeads,
        teacher: Features | None,
        schedule: Schedule | None = None,
    ) -> Classifier:
        schedule = schedule or self.schedule
        fit(
            name,
            backbone,
            heads,
            self.pictures.batches(schedule.batch, self.seed),
            schedule,
            folder=self.folder,
            progress=self.progress,
            teacher=teacher,
        )
        return Classifier(backbone, heads, f"{name}-{self.seed}")
