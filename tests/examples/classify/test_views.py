"""Views: what the student is shown is what its teacher was asked about, once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from classify import Contest, Views, looked
from classify.residual import residual
from torch import nn

from embedge.progress import Progress
from embedge.train.data.feeding.batches import pixels
from embedge.train.loop.schedule import Schedule

COUNT, SIZE = 64, 16


@pytest.fixture
def views(tmp_path: Path) -> Views:
    """Two classes: bright above, bright below."""
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % 2
    images = rng.integers(0, 160, (COUNT, 8, 8, 3))
    for row, label in enumerate(labels):
        images[row, 4 * label : 4 * label + 4] += 90
    return Views(images.astype(np.uint8), labels, 2, tmp_path / "said")


class Asked(nn.Module):
    """Counts the pictures that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.pictures = residual(width=8), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.pictures += len(x)
        return self.inner(x)


def test_an_epoch_shows_every_picture_once_in_one_view(views: Views) -> None:
    batches = views.batches(SIZE, 5)
    shown = np.concatenate([batches.at(step).index.numpy() for step in range(12)])
    epochs = shown.reshape(3, COUNT)
    assert [set(each // COUNT) for each in epochs] == [{0}, {1}, {0}]
    assert all(sorted(each % COUNT) == list(range(COUNT)) for each in epochs)
    assert not np.array_equal(epochs[0], epochs[2])
    again = views.batches(SIZE, 5).at(7)
    assert torch.equal(again.index, batches.at(7).index)
    assert np.array_equal(again.labels, views.labels[again.index.numpy() % COUNT])


def test_the_teacher_speaks_of_the_view_that_is_shown_and_is_asked_once(views: Views) -> None:
    teacher = Asked().eval()
    said = views.seen_by("teacher", teacher)
    batches = views.batches(SIZE, 0)
    for step in (0, 1, 4, 5):
        batch = batches.at(step)
        shown = batch.on(torch.device("cpu"), torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            expected = teacher.inner(shown)
        found = said(batch)
        assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.999
    assert teacher.pictures == 2 * COUNT
    assert views.seen_by("teacher", teacher)(batches.at(0)).shape == (SIZE, 64)
    assert teacher.pictures == 2 * COUNT
    views.seen_by("another", teacher)(batches.at(0))
    assert teacher.pictures == 3 * COUNT


def test_views_differ_and_the_same_view_does_not(views: Views) -> None:
    shown = [views.varied(view).of(torch.from_numpy(views.images)) for view in (0, 1, 0)]
    assert torch.equal(shown[0], shown[2])
    assert (shown[0] != shown[1]).flatten(1).any(1).float().mean() > 0.9


def test_looked_is_the_network_in_evaluation(views: Views) -> None:
    network = residual(width=8)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = network.eval()(pixels(views.images))
    assert torch.allclose(looked(network, views.images), expected, atol=1e-2)


def test_a_contest_on_views_shapes_the_teacher_to_the_first_students_head(
    views: Views, tmp_path: Path
) -> None:
    schedule = Schedule(steps=40, batch=SIZE, lr=3e-3, warmup=4, amp="fp32")
    contest = Contest(
        views,
        lambda: residual(blocks=2, width=8),
        lambda: residual(width=8),
        schedule,
        3,
        tmp_path,
        Progress(quiet=True),
        beta=1.0,
    )
    teacher = contest.trained_teacher()
    assert teacher.name == "teacher-3"
    first, shaped = contest.distilled("scratch", teacher), contest.shaped(teacher)
    assert torch.equal(shaped.head.weight, first.head.weight)
    assert not shaped.head.weight.requires_grad
    student = contest.distilled("sh-kd", teacher)
    assert torch.equal(student.heads.teacher.weight, first.head.weight)
    labels = torch.from_numpy(views.labels)
    for one in (shaped, student, contest.distilled("l2e", teacher)):
        found = one(pixels(views.images)).argmax(1)
        assert (found == labels).float().mean() > 0.9
    kept = {path.name for path in (tmp_path / "said").glob("*.npy")}
    assert {"teacher-3.view-0.npy", "shaped-3.view-1.npy"} <= kept
