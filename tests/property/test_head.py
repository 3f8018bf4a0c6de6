"""Whatever the shapes, block, margin and precision: streamed equals full logits in float64."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from margin_oracle import Psi

from embedge.train.head import head_kl, margin_ce
from embedge.train.head.margins import Margin

MARGINS = st.builds(
    Margin,
    m1=st.floats(0.5, 2.0),
    m2=st.floats(0.0, 0.6),
    m3=st.floats(0.0, 0.4),
    scale=st.sampled_from([1.0, 16.0, 64.0]),
    straight_through=st.booleans(),
)
SIZES = {"batch": st.integers(1, 9), "classes": st.integers(2, 70), "dim": st.integers(2, 40)}
DTYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])
BLOCKS = st.one_of(st.none(), st.integers(1, 80))
SEEDS = st.integers(0, 2**31)
QUICK = settings(max_examples=60, deadline=None)


def full(
    embeddings: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor, margin: Margin
) -> torch.Tensor:
    cosine = F.normalize(embeddings) @ rows.T
    psi = Psi.apply(cosine.gather(1, labels[:, None]), margin)
    logits = margin.scale * cosine.scatter(1, labels[:, None], psi)
    return F.cross_entropy(logits, labels, reduction="none")


def problem(
    batch: int, classes: int, dim: int, dtype: torch.dtype, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    weight = F.normalize(torch.randn(classes, dim, generator=draw)).to(dtype)
    labels = torch.randint(classes, (batch,), generator=draw)
    return torch.randn(batch, dim, generator=draw), weight, labels


def gradients(
    loss_of: Callable[..., torch.Tensor], *leaves: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    loss = loss_of(*own)
    return loss.detach().double(), torch.autograd.grad(loss.sum(), own)


def away_from_the_poles(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor
) -> bool:
    """Next to cos θ = ±1 a float32 embedding does not determine its angle to five digits."""
    cosine = (F.normalize(embeddings.double()) * weight[labels].double()).sum(1)
    return bool((cosine.abs() < 0.99).all())


def close(found: torch.Tensor, wanted: torch.Tensor, bound: float) -> torch.Tensor:
    # a gradient far under the scale of its terms is a difference of near equals
    return (found.double() - wanted).norm() <= bound * max(wanted.norm().item(), 0.01)


@QUICK
@given(margin=MARGINS, block=BLOCKS, dtype=DTYPES, seed=SEEDS, **SIZES)
def test_frozen_head(
    batch: int,
    classes: int,
    dim: int,
    dtype: torch.dtype,
    margin: Margin,
    block: int | None,
    seed: int,
) -> None:
    embeddings, weight, labels = problem(batch, classes, dim, dtype, seed)
    assume(away_from_the_poles(embeddings, weight, labels))
    loss, (got,) = gradients(
        lambda z: margin_ce(z, weight, labels, margin, block=block), embeddings
    )
    wanted, (exact,) = gradients(
        lambda z: full(z, weight.double(), labels, margin), embeddings.double()
    )
    torch.testing.assert_close(loss, wanted, rtol=2e-5, atol=2e-5)
    assert close(got, exact, 5e-5)


@QUICK
@given(margin=MARGINS, block=BLOCKS, length=st.floats(0.1, 10), seed=SEEDS, **SIZES)
def test_trainable_head(
    batch: int, classes: int, dim: int, margin: Margin, block: int | None, length: float, seed: int
) -> None:
    embeddings, weight, labels = problem(batch, classes, dim, torch.float32, seed)
    assume(away_from_the_poles(embeddings, weight, labels))
    raw = weight * length
    loss, got = gradients(
        lambda z, w: margin_ce(z, w, labels, margin, block=block), embeddings, raw
    )
    wanted, exact = gradients(
        lambda z, w: full(z, F.normalize(w), labels, margin), embeddings.double(), raw.double()
    )
    torch.testing.assert_close(loss, wanted, rtol=2e-5, atol=2e-5)
    for mine, oracle in zip(got, exact, strict=True):
        assert close(mine, oracle, 1e-4)


@QUICK
@given(
    block=BLOCKS, dtype=DTYPES, seed=SEEDS, temperature=st.floats(0.5, 8), apart=st.floats(0, 2),
    **SIZES,
)  # fmt: skip
def test_shared_kl(
    batch: int,
    classes: int,
    dim: int,
    dtype: torch.dtype,
    block: int | None,
    seed: int,
    temperature: float,
    apart: float,
) -> None:
    teacher, weight, _ = problem(batch, classes, dim, dtype, seed)
    student = teacher + apart * problem(batch, classes, dim, dtype, seed + 1)[0]

    def oracle(z: torch.Tensor) -> torch.Tensor:
        factor = 64 / temperature
        log_s = (factor * F.normalize(z) @ weight.double().T).log_softmax(1)
        log_t = (factor * F.normalize(teacher.double()) @ weight.double().T).log_softmax(1)
        return (log_t.exp() * (log_t - log_s)).sum(1)

    loss, (got,) = gradients(
        lambda z: head_kl(z, teacher, weight, scale=64.0, temperature=temperature, block=block),
        student,
    )
    wanted, (exact,) = gradients(oracle, student.double())
    torch.testing.assert_close(loss, wanted, rtol=2e-5, atol=1e-4)
    assert (loss > -1e-4).all()
    # a rounded coordinate moves a logit by factor * 2**-24, the gradient by factor times that
    rounding = (64 / temperature) ** 2 * 2**-24
    assert (got.double() - exact).norm() <= 3e-4 * exact.norm() + rounding
