"""The methods to compare with, against naive oracles in double precision."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from embedge.train.head.margins import Margin
from embedge.train.methods import Ingredients, Projected, Sample, Weights, method_named
from embedge.train.seeds import seeded

CLASSES, DIM, BATCH = 11, 16, 9
MARGIN = Margin(m2=0.3, scale=32.0)


def method_and_recipe(name: str, **changes: Any) -> tuple[Any, Ingredients]:
    with seeded(1):
        head = normalize(torch.randn(CLASSES, DIM))
    recipe = Ingredients(CLASSES, DIM, head, MARGIN, Weights(**changes))
    with seeded(2):
        return method_named(name, recipe), recipe


def cosines(rows: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
    return normalize(rows.double()) @ normalize(head.double()).T


def margin_loss(rows: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    cosine = cosines(rows, head)
    target = torch.cos(cosine.gather(1, labels[:, None]).acos() + MARGIN.m2)
    return cross_entropy(MARGIN.scale * cosine.scatter(1, labels[:, None], target), labels)


def agrees(method: Any, sample: Sample, expected: torch.Tensor, *, rtol: float = 1e-4) -> None:
    """Value and gradients, towards the student and towards the method's own head."""
    leaves = [sample.student, *method.parameters()]
    loss = method(sample)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    for ours, oracle in zip(
        torch.autograd.grad(loss.total, leaves), torch.autograd.grad(expected, leaves)
    ):
        torch.testing.assert_close(ours, oracle.to(ours.dtype), rtol=rtol, atol=2e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kd(sample: Sample, temperature: float) -> None:
    method, recipe = method_and_recipe("kd", alpha=0.7, temperature=temperature)
    student = (32 / temperature * cosines(sample.student, method.head)).log_softmax(1)
    teacher = (32 / temperature * cosines(sample.teacher, recipe.head)).log_softmax(1)
    kl = (teacher.exp() * (teacher - student)).sum(1).mean()
    ce = margin_loss(sample.student, method.head, sample.labels)
    agrees(method, sample, ce + 0.7 * temperature**2 * kl)


def test_l2e(sample: Sample) -> None:
    method, _ = method_and_recipe("l2e", beta=3.0)
    gap = normalize(sample.student.double()) - normalize(sample.teacher.double())
    ce = margin_loss(sample.student, method.head, sample.labels)
    agrees(method, sample, ce + 3.0 * gap.square().sum(1).mean())


def huber(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def test_rkd(sample: Sample) -> None:
    """Loops over pairs and triplets, the way the paper writes it."""
    method, _ = method_and_recipe("rkd", relation_distance=2.0, relation_angle=5.0)

    def relations(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows = normalize(rows.double())
        pairs = [(i, j) for i in range(BATCH) for j in range(i + 1, BATCH)]
        lengths = torch.stack([(rows[i] - rows[j]).norm() for i, j in pairs])
        zero = torch.zeros(DIM, dtype=torch.float64)
        angles = []
        for i in range(BATCH):
            arms = [(rows[j] - rows[i]) if j != i else zero for j in range(BATCH)]
            arms = [arm / arm.norm() if arm.any() else arm for arm in arms]
            angles += [one @ other for one in arms for other in arms]
        return lengths / lengths.mean(), torch.stack(angles)

    mine, theirs = relations(sample.student), relations(sample.teacher)
    distance, angle = (
        torch.stack([huber(x) for x in (a - b)]).mean() for a, b in zip(mine, theirs)
    )
    ce = margin_loss(sample.student, method.head, sample.labels)
    agrees(method, sample, ce + 2.0 * distance + 5.0 * angle)


def test_rkd_survives_the_same_picture_twice(sample: Sample) -> None:
    method, _ = method_and_recipe("rkd")
    twice = sample.student.detach().clone()
    twice[1] = twice[0]
    twice.requires_grad_()
    loss = method(replace(sample, student=twice))
    (gradient,) = torch.autograd.grad(loss.total, twice)
    assert torch.isfinite(gradient).all()


def grouped(
    student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, tau: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture after another, with sets of classes."""
    inside, between = [], []
    for row, (mine, theirs) in enumerate(zip(student.softmax(1), teacher.softmax(1))):
        group, collected = {int(labels[row])}, 0.0
        for place in mine.argsort(descending=True).tolist():
            if collected >= tau:
                break
            group.add(place)
            collected += mine[place].item()
        rest = [c for c in range(CLASSES) if c not in group]
        among = sorted(group)
        p_s, p_t = mine[among].sum(), theirs[among].sum()
        inner = theirs[among] / p_t
        inside.append(p_t * (inner * (inner / (mine[among] / p_s)).log()).sum())
        binary = p_t * (p_t / p_s).log()
        if rest:
            q_s, q_t = mine[rest].sum(), theirs[rest].sum()
            binary = binary + q_t * (q_t / q_s).log()
        between.append(binary)
    return torch.stack(inside).mean(), torch.stack(between).mean()


@pytest.mark.parametrize("tau", [0.5, 0.9, 0.999])
def test_gkd(sample: Sample, tau: float) -> None:
    method, recipe = method_and_recipe("gkd", alpha=0.7, temperature=4.0, tau=tau)
    student = 8 * cosines(sample.student, method.head)
    teacher = 8 * cosines(sample.teacher, recipe.head)
    inside, between = grouped(student, teacher, sample.labels, tau)
    ce = margin_loss(sample.student, method.head, sample.labels)
    agrees(method, sample, ce + 0.7 * 16 * (inside + between))


def test_gkd_with_every_class_is_kd(sample: Sample) -> None:
    losses = [
        method_and_recipe(name, tau=1.0, temperature=2.0)[0](sample) for name in ("gkd", "kd")
    ]
    assert losses[0].total.item() == pytest.approx(losses[1].total.item(), rel=1e-5)


def test_adaptive_centres_follow_the_published_rule(sample: Sample) -> None:
    labels = torch.arange(BATCH)
    method, recipe = method_and_recipe("adadistill")
    method(replace(sample, labels=labels))
    student, teacher = (normalize(x.detach().double()) for x in (sample.student, sample.teacher))
    for row in range(BATCH):
        centre = recipe.head[row].double()
        trust = (student[row] @ teacher[row]) * (centre @ teacher[row])
        keep = min(max(trust.item(), 0.0), 1.0)
        moved = keep * centre + (1 - keep) * teacher[row]
        torch.testing.assert_close(method.shared.rows[row].double(), moved / moved.norm())
    assert torch.equal(method.shared.rows[BATCH:], recipe.head[BATCH:])


def test_a_class_twice_in_a_batch_moves_to_the_mean_in_any_order(sample: Sample) -> None:
    labels = torch.tensor([3, 3, 3, 5, 5, 0, 1, 2, 4])
    order = torch.tensor([8, 2, 5, 0, 7, 4, 1, 3, 6])
    first, recipe = method_and_recipe("adadistill")
    second, _ = method_and_recipe("adadistill")
    first(replace(sample, labels=labels))
    second(Sample(sample.student[order], labels[order], sample.teacher[order]))
    torch.testing.assert_close(first.shared.rows, second.shared.rows)
    pulled = normalize(sample.teacher[:3]).mean(0)
    before = recipe.head[3] @ pulled
    assert first.shared.rows[3] @ pulled > before


@pytest.mark.parametrize("name", ["proxyless", "th-kd", "adadistill"])
def test_the_head_is_frozen_until_its_time(sample: Sample, name: str) -> None:
    method, recipe = method_and_recipe(name, adapt_from=0.5)
    assert method.needs_teacher
    method(replace(sample, done=0.49))
    assert torch.equal(method.shared.rows, recipe.head)
    method(replace(sample, done=0.5))
    assert not torch.equal(method.shared.rows, recipe.head)
    assert "shared.rows" in method.state_dict(), "centres that moved must survive a resume"


def test_adaptive_centres_leave_the_teachers_head_alone(sample: Sample) -> None:
    method, recipe = method_and_recipe("adadistill")
    before = recipe.head.clone()
    method(sample)
    assert torch.equal(recipe.head, before)


@pytest.mark.parametrize("name", ["l2e", "proxyless", "th-kd"])
def test_a_narrow_student_is_lifted_for_the_loss_only(sample: Sample, name: str) -> None:
    inner, _ = method_and_recipe(name)
    with seeded(4):
        method = Projected(inner, 8)
    narrow = torch.randn(BATCH, 8, requires_grad=True)
    loss = method(replace(sample, student=narrow))
    wide = inner(replace(sample, student=narrow @ method.lift.weight.T))
    assert math.isclose(loss.total.item(), wide.total.item(), rel_tol=1e-6)
    gradient = torch.autograd.grad(loss.total, [narrow, method.lift.weight])
    assert all(part.abs().sum() > 0 for part in gradient)
    assert any(name.startswith("lift") for name, _ in method.named_parameters())
