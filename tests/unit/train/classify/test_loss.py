"""The mixed heads against the published formulae, written out in double precision."""

import pytest
import torch
from torch import nn

from embedge.train.classify import MixedHeads
from embedge.train.methods import Sample
from embedge.train.seeds import seeded

CLASSES, NARROW, WIDE, BATCH = 7, 5, 9, 6


@pytest.fixture
def sample():
    with seeded(0):
        return Sample(
            torch.randn(BATCH, NARROW, requires_grad=True),
            torch.randint(0, CLASSES, (BATCH,)),
            torch.randn(BATCH, WIDE),
        )


def heads(**changes):
    with seeded(1):
        teacher = nn.Linear(WIDE, CLASSES)
        return MixedHeads(CLASSES, NARROW, teacher=teacher, **changes), teacher


@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_published_loss(sample, a, temperature):
    method, teacher = heads(a=a, alpha=0.8, temperature=temperature)

    def shares(t):
        student = sample.student.double()
        own = student @ method.head.weight.double().T + method.head.bias.double()
        mixed = (1 - a) * (own / t).softmax(1)
        if a:
            lifted = student @ method.lift.weight.double().T
            borrowed = lifted @ teacher.weight.double().T + teacher.bias.double()
            mixed = mixed + a * (borrowed / t).softmax(1)
        return mixed

    labels = sample.labels[:, None]
    ce = -shares(1.0).gather(1, labels).log().mean()
    target = (teacher(sample.teacher).double() / temperature).softmax(1).detach()
    kl = (target * (target / shares(temperature)).log()).sum(1).mean()
    expected = ce + 0.8 * temperature**2 * kl
    loss = method(sample)
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    (mine,) = torch.autograd.grad(loss.total, sample.student)
    (oracle,) = torch.autograd.grad(expected, sample.student)
    torch.testing.assert_close(mine, oracle, rtol=1e-4, atol=1e-6)


def test_nothing_of_the_teacher_is_trained(sample):
    method, teacher = heads(a=0.5, alpha=1.0)
    trained = {name for name, p in method.named_parameters() if p.requires_grad}
    assert trained == {"head.weight", "head.bias", "lift.weight"}
    before = teacher.weight.clone()
    method(sample).total.backward()
    assert torch.equal(teacher.weight, before)


def test_heads_of_one_width_need_no_map():
    with seeded(1):
        method = MixedHeads(CLASSES, WIDE, teacher=nn.Linear(WIDE, CLASSES), a=0.5, alpha=1.0)
    assert method.lift is None
