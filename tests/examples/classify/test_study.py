"""A contest on rendered strokes: every method learns, and SH-KD goes through its three stages."""

from pathlib import Path

import pytest
import torch
from classify import (
    CLASSIFY_METHODS,
    Contest,
    Pictures,
    accuracy_of,
    backbone_from_path,
    feature_size,
)
from classify.small import convolutional
from torch import nn

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.loop.schedule import Schedule
from embedge.train.seeds import seeded

SCHEDULE = Schedule(
    steps=150,
    batch=32,
    optimizer="adamw",
    lr=1e-2,
    weight_decay=0.0,
    warmup=5,
    clip=5.0,
    amp="fp32",
    ema=0.0,
    checkpoint_every=150,
    channels_last=False,
)


@pytest.fixture(scope="module")
def pictures() -> tuple[Pictures, Pictures]:
    """Five classes: two bright rows, two bright columns, nothing; and noise."""
    with seeded(0):
        labels = torch.arange(400) % 5
        images = torch.rand(400, 1, 8, 8) * 0.6
        for row, label in enumerate(labels.tolist()):
            if label < 2:
                images[row, 0, 1 + 3 * label] += 0.7
            elif label < 4:
                images[row, 0, :, 1 + 3 * (label - 2)] += 0.7
    return Pictures(images[:200], labels[:200]), Pictures(images[200:], labels[200:])


def test_every_method_learns(pictures: tuple[Pictures, Pictures], tmp_path: Path) -> None:
    learn, judge = pictures
    contest = Contest(
        learn,
        lambda: convolutional(8),
        lambda: convolutional(2),
        SCHEDULE,
        0,
        tmp_path,
        Progress(quiet=True),
    )
    teacher = contest.trained_teacher()
    assert accuracy_of(teacher, judge) > 0.9
    for method in CLASSIFY_METHODS:
        student = contest.distilled(method, teacher)
        assert accuracy_of(student, judge) > 0.6, method
        assert student.head.in_features == 32
    trained = {path.name.partition(".")[0] for path in tmp_path.glob("*.training.safetensors")}
    assert trained == {"teacher", *CLASSIFY_METHODS, "shaped"}


def test_a_backbone_by_import_path() -> None:
    backbone = backbone_from_path("classify.small:convolutional", width=4)
    assert feature_size(backbone, (1, 8, 8)) == 64


@pytest.mark.parametrize(
    "path",
    [
        "classify.small",
        "classify.small:nothing",
        "no.such.module:x",
        "builtins:dict",
    ],
)
def test_what_is_no_backbone_is_refused(path: str) -> None:
    with pytest.raises(EmbedgeError, match="E-BACKBONE"):
        backbone_from_path(path)


def test_a_backbone_that_gives_maps_is_refused() -> None:
    with pytest.raises(EmbedgeError, match="E-BACKBONE"):
        feature_size(nn.Conv2d(1, 3, 3), (1, 8, 8))
