from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, normalize

from embedge.train.head.margins import Margin
from embedge.train.methods import Ingredients, Sample, Weights, method_named
from embedge.train.seeds import seeded

CLASSES, DIM, BATCH = 11, 16, 9


def ingredients(**changes: Any) -> Ingredients:
    with seeded(1):
        head = normalize(torch.randn(CLASSES, DIM))
    return Ingredients(CLASSES, DIM, head, Margin(m2=0.3, scale=32.0), Weights(**changes))


def logits_of(
    embeddings: torch.Tensor, head: torch.Tensor, labels: torch.Tensor, margin: Margin
) -> torch.Tensor:
    """The naive way, in double precision."""
    cosine = normalize(embeddings.double()) @ normalize(head.double()).T
    angle = cosine.gather(1, labels[:, None]).acos()
    target = torch.cos(angle + margin.m2) - margin.m3
    return margin.scale * cosine.scatter(1, labels[:, None], target)


def test_th_kd_with_only_the_shared_head_is_proxyless_to_the_last_bit(sample: Sample) -> None:
    gradients = []
    for name, changes in (("th-kd", {"a": 1.0, "alpha": 0.0, "beta": 0.0}), ("proxyless", {})):
        loss = method_named(name, ingredients(**changes))(sample)
        (gradient,) = torch.autograd.grad(loss.total, sample.student)
        gradients.append((loss.total.detach(), gradient))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert torch.equal(gradients[0][1], gradients[1][1])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_th_kd_is_the_published_sum(sample: Sample, temperature: float) -> None:
    recipe = ingredients(a=0.3, alpha=0.7, beta=2.0, temperature=temperature)
    with seeded(2):
        method: Any = method_named("th-kd", recipe)
    margin, labels = recipe.margin, sample.labels
    student, teacher = sample.student, sample.teacher

    def ce(head: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits_of(student, head, labels, margin), labels)

    def soft(embeddings: torch.Tensor, head: torch.Tensor) -> torch.Tensor:
        cosine = normalize(embeddings.double()) @ normalize(head.double()).T
        return log_softmax(margin.scale / temperature * cosine, dim=1)

    def divergence(head: torch.Tensor) -> torch.Tensor:
        target = soft(teacher, recipe.head)
        return kl_div(soft(student, head), target, log_target=True, reduction="batchmean")

    own, shared = method.head, recipe.head
    gap = normalize(student.double()) - normalize(teacher.double())
    expected = (
        0.7 * ce(own)
        + 0.3 * ce(shared)
        + 0.7 * temperature**2 * (0.7 * divergence(own) + 0.3 * divergence(shared))
        + 2.0 * gap.square().sum(1).mean()
    )
    loss = method(sample)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    wanted = torch.autograd.grad(expected, [student, own])
    given = torch.autograd.grad(loss.total, [student, own])
    for ours, oracle in zip(given, wanted):
        torch.testing.assert_close(ours, oracle.to(ours.dtype), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["th-kd", "kd", "gkd"])
def test_the_margins_scale_is_not_that_of_the_teachers_softmax(sample: Sample, name: str) -> None:
    """A sharper margin loss must not silently sharpen what is imitated."""

    def imitated(scale: float, **changes: Any) -> dict[str, float]:
        with seeded(1):
            head = normalize(torch.randn(CLASSES, DIM))
            margin = Margin(m2=0.3, scale=scale)
            method = method_named(name, Ingredients(CLASSES, DIM, head, margin, Weights(**changes)))
        return {k: v.item() for k, v in method(sample).parts.items() if k.startswith("kl")}

    usual = imitated(32.0)
    assert usual
    assert imitated(64.0) == usual == imitated(64.0, softmax_scale=32.0)
    assert imitated(64.0, softmax_scale=64.0) == imitated(32.0, softmax_scale=64.0) != usual


def test_scratch_knows_no_teacher(sample: Sample) -> None:
    method: Any = method_named("scratch", ingredients())
    loss = method(sample)
    expected = cross_entropy(
        logits_of(sample.student, method.head, sample.labels, method.margin), sample.labels
    )
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert not method.needs_teacher


@pytest.mark.parametrize("name", ["proxyless", "th-kd", "kd", "gkd"])
def test_the_shared_head_is_frozen_and_never_stored(name: str) -> None:
    method: Any = method_named(name, ingredients())
    assert torch.equal(method.shared.rows, ingredients().head)
    assert "shared.rows" not in dict(method.named_parameters())
    assert "shared.rows" not in method.state_dict()


def test_adafaces_margin_follows_the_lengths_of_the_batch(sample: Sample) -> None:
    """Mean and deviation of the first batch are its own; each picture then has its own margin."""
    margin = Margin(quality=0.4, scale=32.0)
    with seeded(1):
        recipe = Ingredients(CLASSES, DIM, normalize(torch.randn(CLASSES, DIM)), margin, Weights())
        method = method_named("proxyless", recipe)
    lengths = sample.student.detach().double().norm(dim=1)
    quality = (0.333 * (lengths - lengths.mean()) / (lengths.std() + 1e-3)).clamp(-1, 1)
    cosine = normalize(sample.student.double()) @ recipe.head.double().T
    angle = cosine.gather(1, sample.labels[:, None]).acos() - 0.4 * quality[:, None]
    target = torch.cos(angle) - 0.4 * (1 + quality[:, None])
    logits = 32.0 * cosine.scatter(1, sample.labels[:, None], target)
    expected = cross_entropy(logits, sample.labels)
    loss = method(sample)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (wanted,) = torch.autograd.grad(expected, sample.student)
    (given,) = torch.autograd.grad(loss.total, sample.student)
    torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-5)


def test_what_is_usual_moves_slowly_and_is_part_of_the_checkpoint(sample: Sample) -> None:
    with seeded(1):
        head = normalize(torch.randn(CLASSES, DIM))
    recipe = Ingredients(CLASSES, DIM, head, Margin(quality=0.4), Weights(a=0.9))
    method = method_named("th-kd", recipe)
    method(sample)
    mean = method.state_dict()["usual.mean"].clone()
    longer = Sample(sample.student * 2, sample.labels, sample.teacher)
    method(longer)
    assert method.state_dict()["usual.mean"].item() == pytest.approx(1.01 * mean.item(), rel=1e-5)
    assert method.state_dict()["usual.seen"] == 2
