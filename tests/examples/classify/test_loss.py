"""The mixed heads against the published formulae, written out in double precision."""

from typing import Any

import pytest
import torch
from classify import MixedHeads
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, normalize

from embedge.train.methods import Sample
from embedge.train.seeds import seeded

CLASSES, NARROW, WIDE, BATCH = 7, 5, 9, 6


@pytest.fixture
def sample() -> Sample:
    with seeded(0):
        return Sample(
            torch.randn(BATCH, NARROW, requires_grad=True),
            torch.randint(0, CLASSES, (BATCH,)),
            torch.randn(BATCH, WIDE),
        )


def heads(**changes: Any) -> tuple[MixedHeads, nn.Linear]:
    with seeded(1):
        teacher = nn.Linear(WIDE, CLASSES)
        return MixedHeads(CLASSES, NARROW, teacher=teacher, **changes), teacher


def answers(
    method: MixedHeads, teacher: nn.Linear, student: torch.Tensor
) -> tuple[torch.Tensor, list[tuple[float, torch.Tensor]]]:
    """Shares and logits of both heads, the naive way in double precision."""
    student = student.double()
    own = student @ method.head.weight.double().T + method.head.bias.double()
    lifted = student @ method.lift.weight.double().T
    borrowed = lifted @ teacher.weight.double().T + teacher.bias.double()
    return lifted, [(1 - method.a, own), (method.a, borrowed)]


@pytest.mark.parametrize("a", [0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_the_published_loss(sample: Sample, a: float, temperature: float, beta: float) -> None:
    method, teacher = heads(a=a, alpha=0.8, beta=beta, temperature=temperature)
    lifted, both = answers(method, teacher, sample.student)
    target = (teacher(sample.teacher).double() / temperature).softmax(1).detach()
    expected = torch.zeros((), dtype=torch.float64)
    for share, logits in both:
        ce = -logits.log_softmax(1).gather(1, sample.labels[:, None]).mean()
        kl = (target * (target.log() - (logits / temperature).log_softmax(1))).sum(1).mean()
        expected = expected + share * (ce + 0.8 * temperature**2 * kl)
    apart = normalize(lifted) - normalize(sample.teacher.double())
    expected = expected + beta * apart.square().sum(1).mean()
    loss = method(sample)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (mine,) = torch.autograd.grad(loss.total, sample.student)
    (oracle,) = torch.autograd.grad(expected, sample.student)
    torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


def test_without_a_share_for_the_borrowed_head_it_is_kd(sample: Sample) -> None:
    method, teacher = heads(a=0.0, alpha=1.0, temperature=4.0)
    assert method.lift is None
    logits = method.head(sample.student)
    kl = kl_div(
        log_softmax(logits / 4, 1),
        log_softmax(teacher(sample.teacher) / 4, 1),
        log_target=True,
        reduction="batchmean",
    )
    expected = cross_entropy(logits, sample.labels) + 16 * kl
    assert method(sample).total.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("a", [0.25, 1.0])
def test_it_answers_with_both_heads(sample: Sample, a: float) -> None:
    method, teacher = heads(a=a)
    _, both = answers(method, teacher, sample.student)
    mixed = torch.stack([share * logits.softmax(1) for share, logits in both]).sum(0)
    given = method.log_shares(sample.student).exp()
    torch.testing.assert_close(given, mixed.float(), rtol=1e-5, atol=1e-7)


def test_nothing_of_the_teacher_is_trained(sample: Sample) -> None:
    method, teacher = heads(a=0.5, alpha=1.0)
    trained = {name for name, p in method.named_parameters() if p.requires_grad}
    assert trained == {"head.weight", "head.bias", "lift.weight"}
    before = teacher.weight.clone()
    method(sample).total.backward()
    assert torch.equal(teacher.weight, before)


def test_heads_of_one_width_need_no_map() -> None:
    with seeded(1):
        method = MixedHeads(CLASSES, WIDE, teacher=nn.Linear(WIDE, CLASSES), a=0.5, alpha=1.0)
    assert method.lift is None
