"""The one-pass KL against full softmaxes in double precision."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from embedge.errors import EmbedgeError
from embedge.train import head


def head_kl(
    *tensors: torch.Tensor, scale: float = 64.0, temperature: float = 1.0, **how: Any
) -> torch.Tensor:
    return head.head_kl(*tensors, scale=scale, temperature=temperature, **how)


def naive(
    student: torch.Tensor,
    teacher: torch.Tensor,
    weight: torch.Tensor,
    own: torch.Tensor | None = None,
    scale: float = 64.0,
    temperature: float = 1.0,
) -> torch.Tensor:
    own = weight if own is None else own
    logits = F.normalize(student.double()) @ F.normalize(own.double()).T
    target = F.normalize(teacher.double()) @ F.normalize(weight.double()).T
    factor = scale / temperature
    log_p = (factor * logits).log_softmax(1)
    log_t = (factor * target).log_softmax(1).detach()
    return (log_t.exp() * (log_t - log_p)).sum(1)


def problem(
    classes: int = 61, dim: int = 24, student_dim: int = 24, apart: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    teacher = torch.randn(6, dim, generator=draw)
    student = torch.randn(6, student_dim, generator=draw)
    if dim == student_dim:
        student = teacher + apart * student
    weight = F.normalize(torch.randn(classes, dim, generator=draw))
    own = torch.randn(classes, student_dim, generator=draw)
    return student, teacher, weight, own


def check(
    mine: Callable[..., torch.Tensor],
    oracle: Callable[..., torch.Tensor],
    *leaves: torch.Tensor,
    rtol: float = 1e-5,
) -> None:
    results = []
    for function in (mine, oracle):
        inputs = [t.detach().clone().requires_grad_() for t in leaves]
        loss = function(*inputs)
        weights = torch.linspace(0.5, 2, len(loss), dtype=loss.dtype)
        results.append(
            (loss.detach().double(), torch.autograd.grad((loss * weights).sum(), inputs))
        )
    torch.testing.assert_close(results[0][0], results[1][0], rtol=rtol, atol=1e-5)
    for got, wanted in zip(results[0][1], results[1][1], strict=True):
        wanted = wanted.double()
        assert ((got.double() - wanted).norm() / wanted.norm()).item() < rtol


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("block", [None, 1, 9, 61])
def test_shared_head(temperature: float, block: int | None) -> None:
    student, teacher, weight, _ = problem()
    check(
        lambda z: head_kl(z, teacher, weight, temperature=temperature, block=block),
        lambda z: naive(z, teacher, weight, temperature=temperature),
        student,
    )


@pytest.mark.parametrize("block", [None, 9])
def test_students_own_trainable_head_of_another_dimension(block: int | None) -> None:
    student, teacher, weight, own = problem(student_dim=10)
    check(
        lambda z, w: head_kl(z, teacher, weight, w, block=block, scale=30.0),
        lambda z, w: naive(z, teacher, weight, w, scale=30.0),
        student,
        own,
    )


def test_half_precision_shared_head() -> None:
    student, teacher, weight, _ = problem()
    half = weight.bfloat16()
    check(
        lambda z: head_kl(z, teacher, half),
        lambda z: head_kl(z.double(), teacher.double(), half.double()),
        student,
    )


def test_equal_embeddings_give_nothing() -> None:
    _, teacher, weight, _ = problem()
    student = teacher.clone().requires_grad_()
    loss = head_kl(student, teacher, weight, block=9)
    loss.sum().backward()
    assert loss.abs().max() < 2e-5
    assert student.grad.abs().max() < 2e-5


def test_nearly_equal_embeddings_keep_their_gradient() -> None:
    student, teacher, weight, _ = problem(apart=1e-3)
    check(
        lambda z: head_kl(z, teacher, weight),
        lambda z: naive(z, teacher, weight),
        student,
        rtol=2e-3,
    )


def test_teacher_gets_no_gradient() -> None:
    student, teacher, weight, _ = problem()
    teacher.requires_grad_()
    head_kl(student.requires_grad_(), teacher, weight).sum().backward()
    assert teacher.grad is None


def test_heads_over_different_classes_are_refused() -> None:
    student, teacher, weight, own = problem()
    with pytest.raises(EmbedgeError, match="E-HEAD-CLASSES"):
        head_kl(student, teacher, weight, own[:-1])
