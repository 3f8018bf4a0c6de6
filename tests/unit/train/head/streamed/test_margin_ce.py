"""The streamed margin cross-entropy against full logits in double precision."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from margin_oracle import Psi

from embedge.errors import EmbedgeError
from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin

ARC = Margin(m2=0.5)
VARIANTS = [
    ARC,
    Margin(m3=0.35),
    Margin(m1=0.9, m2=0.4, m3=0.15, scale=32.0),
    Margin(m2=0.5, straight_through=True),
]


def naive(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, margin: Margin
) -> torch.Tensor:
    """Full logits, float64, autograd."""
    cosine = F.normalize(embeddings.double()) @ F.normalize(weight.double()).T
    own = cosine.gather(1, labels[:, None])[:, 0]
    logits = cosine.scatter(1, labels[:, None], Psi.apply(own, margin)[:, None])
    return F.cross_entropy(margin.scale * logits, labels, reduction="none")


def joined(
    embeddings: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, margin: Margin
) -> torch.Tensor:
    """The same in float64 with the target kept out of the sum, where 1 − p has no digits left."""
    cosine = F.normalize(embeddings.double()) @ F.normalize(weight.double()).T
    others = cosine.masked_fill(F.one_hot(labels, len(weight)).bool(), -torch.inf)
    own = Psi.apply(cosine.gather(1, labels[:, None])[:, 0], margin)
    lse = (margin.scale * others).logsumexp(1)
    return F.softplus(lse - margin.scale * own, threshold=700.0)


def problem(
    batch: int = 7,
    classes: int = 53,
    dim: int = 16,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(batch, dim, generator=draw) * 3
    weight = F.normalize(torch.randn(classes, dim, generator=draw)).to(dtype)
    labels = torch.randint(classes, (batch,), generator=draw)
    return embeddings, weight, labels


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found.double() - wanted).norm() / wanted.norm().clamp_min(1e-300)).item()


def gradients(
    loss_of: Callable[..., torch.Tensor], *tensors: torch.Tensor
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    loss = loss_of(*leaves)
    draw = torch.Generator().manual_seed(9)
    upstream = torch.rand(loss.shape, generator=draw, dtype=torch.float64).to(loss.dtype)
    return loss.detach(), torch.autograd.grad(loss, leaves, upstream)


@pytest.mark.parametrize("margin", VARIANTS, ids=str)
@pytest.mark.parametrize("block", [None, 1, 7, 53, 1000])
def test_frozen_head_value_and_gradient(margin: Margin, block: int | None) -> None:
    embeddings, weight, labels = problem()
    loss, (got,) = gradients(
        lambda z: margin_ce(z, weight, labels, margin, block=block), embeddings
    )
    wanted, (reference,) = gradients(lambda z: naive(z, weight, labels, margin), embeddings)
    torch.testing.assert_close(loss.double(), wanted, rtol=2e-6, atol=2e-6)
    assert relative(got, reference) < 1e-5


@pytest.mark.parametrize("margin", VARIANTS, ids=str)
@pytest.mark.parametrize("block", [None, 7])
def test_trainable_head_gets_its_gradient_through_the_normalisation(
    margin: Margin, block: int | None
) -> None:
    embeddings, weight, labels = problem()
    labels[3] = labels[0]  # duplicate labels add up
    weight = weight * torch.linspace(0.5, 4, len(weight))[:, None]
    loss, got = gradients(
        lambda z, w: margin_ce(z, w, labels, margin, block=block), embeddings, weight
    )
    wanted, reference = gradients(lambda z, w: naive(z, w, labels, margin), embeddings, weight)
    torch.testing.assert_close(loss.double(), wanted, rtol=2e-6, atol=2e-6)
    for mine, exact in zip(got, reference, strict=True):
        assert relative(mine, exact) < 1e-5


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_head_is_exact_on_its_own_rows(dtype: torch.dtype) -> None:
    embeddings, weight, labels = problem(dtype=dtype)

    def raw(z: torch.Tensor) -> torch.Tensor:
        cosine = F.normalize(z.double()) @ weight.double().T
        own = cosine.gather(1, labels[:, None])
        logits = cosine.scatter(1, labels[:, None], Psi.apply(own, ARC))
        return F.cross_entropy(64 * logits, labels, reduction="none")

    loss, (got,) = gradients(lambda z: margin_ce(z, weight, labels, ARC), embeddings)
    wanted, (reference,) = gradients(raw, embeddings)
    torch.testing.assert_close(loss.double(), wanted, rtol=2e-6, atol=2e-6)
    assert relative(got, reference) < 1e-5


def test_both_oracles_agree() -> None:
    embeddings, weight, labels = problem()
    plain = naive(embeddings, weight, labels, ARC)
    torch.testing.assert_close(joined(embeddings, weight, labels, ARC), plain)


def test_float64_all_the_way() -> None:
    embeddings, weight, labels = problem()
    embeddings, weight = embeddings.double(), weight.double()
    assert torch.autograd.gradcheck(
        lambda z, w: margin_ce(z, w, labels, ARC, block=9),
        (embeddings.requires_grad_(), weight.requires_grad_()),
    )


def at_angle(row: torch.Tensor, angle: float, seed: int = 3) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    row = row.double()
    other = torch.randn(row.shape, generator=draw, dtype=torch.float64)
    other = F.normalize(other - (other @ row) * row, dim=0)
    turn = torch.tensor(angle, dtype=torch.float64)
    return (turn.cos() * row + turn.sin() * other).float()


@pytest.mark.parametrize("margin", [ARC, Margin(m3=0.35)], ids=str)
@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.01, 0.1, 1.5, 3.0, 3.1415, torch.pi])
def test_saturated_and_hopeless_samples(margin: Margin, angle: float) -> None:
    """From the class centre itself (loss 1e-15) to its antipode (loss about 150)."""
    _, weight, labels = problem(batch=1, classes=40, dim=64)
    embeddings = at_angle(F.normalize(weight[labels[0]].double(), dim=0), angle)[None]
    loss, (got,) = gradients(lambda z: margin_ce(z, weight, labels, margin), embeddings)
    wanted, (reference,) = gradients(lambda z: joined(z, weight, labels, margin), embeddings)
    # a float32 embedding knows its angle to about 1e-7/θ next to a pole, and 64·sin(0.5) times
    # that is the relative error of a loss of exp(-50)
    near = max(min(angle, torch.pi - angle), 1e-3)
    assert loss.item() == pytest.approx(wanted.item(), rel=2e-5 + 1e-5 / near)
    assert torch.isfinite(got).all()
    if near >= 0.01:
        assert relative(got, reference) < 1e-5 / near


def test_nearly_zero_loss_keeps_its_gradient() -> None:
    """A full log-sum-exp in float32 loses these gradients entirely; joining the target does not."""
    _, weight, _ = problem(classes=200, dim=128)
    labels = torch.arange(8)
    embeddings = torch.stack(
        [at_angle(F.normalize(weight[i].double(), dim=0), 0.3) for i in labels]
    )
    loss, (got,) = gradients(lambda z: margin_ce(z, weight, labels, ARC), embeddings)
    wanted, (reference,) = gradients(lambda z: joined(z, weight, labels, ARC), embeddings)
    assert wanted.max() < 1e-6
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-4, atol=0)
    for mine, exact in zip(got, reference, strict=True):
        assert relative(mine, exact) < 1e-4


def test_a_lone_class_costs_nothing() -> None:
    embeddings, weight, _ = problem(classes=1)
    labels = torch.zeros(7, dtype=torch.long)
    loss, (got,) = gradients(lambda z: margin_ce(z, weight, labels, ARC), embeddings)
    assert torch.equal(loss, torch.zeros(7))
    assert torch.equal(got, torch.zeros_like(got))


def test_autocast_does_not_touch_the_logits() -> None:
    embeddings, weight, labels = problem()
    plain = margin_ce(embeddings, weight, labels, ARC)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(margin_ce(embeddings, weight, labels, ARC), plain)


def test_wrong_dimension_is_said_plainly() -> None:
    embeddings, weight, labels = problem()
    with pytest.raises(EmbedgeError, match="E-HEAD-DIM"):
        margin_ce(embeddings[:, :8], weight, labels, ARC)


@pytest.mark.parametrize("label", [-1, 53])
def test_a_label_without_a_row_is_refused(label: int) -> None:
    embeddings, weight, labels = problem()
    labels[2] = label
    with pytest.raises(EmbedgeError, match="E-HEAD-LABEL"):
        margin_ce(embeddings, weight, labels, ARC)


def test_block_must_be_positive() -> None:
    embeddings, weight, labels = problem()
    with pytest.raises(EmbedgeError, match="E-HEAD-BLOCK"):
        margin_ce(embeddings, weight, labels, ARC, block=-1)
