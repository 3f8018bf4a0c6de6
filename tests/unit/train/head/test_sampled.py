"""Sampled negatives: exact with all classes, unbiased with some, hard ones never missed."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from embedge.errors import EmbedgeError
from embedge.train.head import margin_ce
from embedge.train.head.neighbours import cached_neighbours, head_digest, nearest_classes
from embedge.train.head.partial import PartialHead
from embedge.train.head.sampled import draw_classes, sampled_margin_ce
from embedge.train.margins import Margin

ARC = Margin.arcface()


def problem(classes: int = 90, batch: int = 6, dim: int = 16):
    draw = torch.Generator().manual_seed(2)
    weight = F.normalize(torch.randn(classes, dim, generator=draw))
    labels = torch.randint(classes, (batch,), generator=draw)
    return torch.randn(batch, dim, generator=draw), weight, labels


def gradient(loss_of, embeddings):
    leaf = embeddings.clone().requires_grad_()
    loss = loss_of(leaf)
    return loss.detach(), torch.autograd.grad(loss.mean(), leaf)[0]


@pytest.mark.parametrize("k", [0, 5])
def test_all_classes_give_the_full_loss(k: int) -> None:
    embeddings, weight, labels = problem()
    neighbours = nearest_classes(weight, k) if k else None
    draw = draw_classes(labels, 90, 90, neighbours=neighbours)
    assert torch.equal(draw.classes, torch.arange(90))
    assert not draw.bias.any()
    loss, got = gradient(lambda z: sampled_margin_ce(z, weight, draw, ARC), embeddings)
    wanted, full = gradient(lambda z: margin_ce(z, weight, labels, ARC), embeddings)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(got, full)


def test_the_correction_makes_the_sum_unbiased() -> None:
    embeddings, weight, labels = problem()
    neighbours = nearest_classes(weight, 3)
    logits = 8 * F.normalize(embeddings.double()) @ weight.double().T
    others = logits.exp().scatter(1, labels[:, None], 0.0)
    generator = torch.Generator().manual_seed(0)
    estimates = []
    for _ in range(4000):
        draw = draw_classes(labels, 90, 12, neighbours=neighbours, generator=generator)
        estimates.append((others[:, draw.classes] * draw.bias.double().exp()).sum(1))
    stack = torch.stack(estimates)
    error = stack.mean(0) - others.sum(1)
    assert (error.abs() < 4 * stack.std(0) / 4000**0.5).all()
    # and the correction matters: without it the sum is far too small
    assert (others[:, draw.classes].sum(1) < 0.8 * others.sum(1)).all()


@pytest.mark.parametrize("count", [1, 7, 60, 85])
def test_draws_are_distinct_complete_and_even(count: int) -> None:
    _, _, labels = problem()
    generator = torch.Generator().manual_seed(1)
    seen = torch.zeros(90)
    rounds = 2000
    for _ in range(rounds):
        draw = draw_classes(labels, 90, count, generator=generator)
        assert len(draw.classes.unique()) == len(draw.classes)
        assert torch.equal(draw.classes[draw.labels], labels)
        seen[draw.classes] += 1
    certain = labels.unique()
    assert (seen[certain] == rounds).all()
    others = torch.ones(90, dtype=torch.bool).index_fill(0, certain, False)
    chance = min(count / (90 - len(certain)), 1.0)
    spread = (rounds * chance * (1 - chance)) ** 0.5
    assert ((seen[others] - rounds * chance).abs() <= 5 * spread).all()


def test_neighbours_are_exact_and_without_the_class_itself() -> None:
    _, weight, _ = problem(classes=1500)
    found = nearest_classes(weight, 4)
    cosine = weight.double() @ weight.double().T
    cosine.fill_diagonal_(-2)
    assert torch.equal(found.long(), cosine.topk(4, dim=1).indices)


def test_more_neighbours_than_classes_are_all_the_others() -> None:
    _, weight, _ = problem(classes=5)
    found = nearest_classes(weight, 9)
    assert [sorted(row) for row in found.tolist()] == [
        sorted(set(range(5)) - {own}) for own in range(5)
    ]


def test_neighbours_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, weight, _ = problem()
    first = cached_neighbours(weight, 4, tmp_path)
    assert torch.equal(first, nearest_classes(weight, 4))
    monkeypatch.setattr(
        "embedge.train.head.neighbours.nearest_classes", lambda *_, **__: pytest.fail("again")
    )
    assert torch.equal(cached_neighbours(weight, 4, tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 1


def test_another_head_is_another_file() -> None:
    _, weight, _ = problem()
    digests = {head_digest(weight), head_digest(weight.bfloat16()), head_digest(weight[:-1])}
    assert len(digests) == 3


def test_a_sampled_step_equals_the_full_one_over_its_rows() -> None:
    embeddings, weight, labels = problem()
    draw = draw_classes(labels, 90, 20, generator=torch.Generator().manual_seed(0))
    half = weight.bfloat16()
    loss = sampled_margin_ce(embeddings, half, draw, ARC)
    again = margin_ce(embeddings, half[draw.classes], draw.labels, ARC, bias=draw.bias)
    assert torch.equal(loss, again)


def test_a_partial_head_with_every_row_is_plain_sgd() -> None:
    embeddings, weight, labels = problem()
    weight = weight * 2.5
    partial = PartialHead(weight.clone(), rate=1.0)
    plain = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([plain], lr=0.1, momentum=0.9, weight_decay=5e-4)
    for step in range(4):
        moved = embeddings + step
        active = partial.active(labels)
        active.margin_ce(moved, ARC).mean().backward()
        partial.step(active, 0.1)
        optimizer.zero_grad()
        margin_ce(moved, plain, labels, ARC).mean().backward()
        optimizer.step()
    torch.testing.assert_close(partial.weight, plain.detach(), rtol=1e-6, atol=1e-6)


def test_a_partial_step_leaves_the_other_rows_alone() -> None:
    embeddings, weight, labels = problem()
    partial = PartialHead(weight.clone(), 0.2, torch.Generator().manual_seed(0))
    active = partial.active(labels)
    assert len(active.classes) == 18
    active.margin_ce(embeddings, ARC).mean().backward()
    partial.step(active, 0.1)
    changed = (partial.weight != weight).any(dim=1).nonzero()[:, 0]
    assert torch.equal(changed, active.classes)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(EmbedgeError, match="E-HEAD-RATE"):
        PartialHead(torch.eye(3), rate)
