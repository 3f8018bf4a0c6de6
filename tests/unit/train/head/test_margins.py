"""Margins against a naive oracle in double precision, from 0 to 180 degrees."""

import math

import pytest
import torch

from embedge.train.head.margins import SIN_FLOOR, Margin, QualityMargin, margin_on_target

ANGLES = torch.linspace(0.0, math.pi, 1801, dtype=torch.float64)
MARGINS = [
    Margin(m2=0.5),
    Margin(m2=0.3),
    Margin(m3=0.35),
    Margin(m1=1.35),
    Margin(m1=0.9, m2=0.4, m3=0.15),
    Margin(m1=3.0, m2=0.2),
]


def oracle(angle: float, margin: Margin) -> tuple[float, float]:
    """psi and dψ/dcosθ by the book, one angle at a time, away from the poles."""
    t = margin.m1 * angle + margin.m2
    k = 0
    while t >= (k + 1) * math.pi:
        k += 1
    psi = (-1) ** k * math.cos(t) - 2 * k - margin.m3
    slope = margin.m1 * (-1) ** k * math.sin(t) / max(math.sin(angle), SIN_FLOOR)
    if margin.m1 == 1.0 and margin.m2 == 0.0:
        slope = 1.0
    return psi, slope


@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_double_precision_is_the_formula(margin: Margin) -> None:
    psi, slope = margin.on_target(ANGLES.cos())
    wanted = torch.tensor([oracle(a, margin) for a in ANGLES.tolist()], dtype=torch.float64)
    torch.testing.assert_close(psi, wanted[:, 0], rtol=0, atol=3e-8)
    inner = slice(12, -12)  # arccos itself loses digits nearer the poles
    torch.testing.assert_close(slope[inner], wanted[inner, 1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("margin", MARGINS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_equals_double_on_the_same_cosine(margin: Margin, dtype: torch.dtype) -> None:
    cosine = ANGLES.cos().to(dtype)
    psi, slope = margin.on_target(cosine)
    exact_psi, exact_slope = margin.on_target(cosine.double())
    assert psi.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(psi.double(), exact_psi, rtol=1e-6, atol=1e-6)
    # what reaches the embedding is slope times the tangent's length sin θ
    tangent = cosine.double().clamp(-1, 1).acos().sin().clamp_min(SIN_FLOOR)
    torch.testing.assert_close(slope * tangent, exact_slope * tangent, rtol=0, atol=4e-6)


@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_derivative_is_the_slope_of_psi(margin: Margin) -> None:
    cosine = torch.linspace(-0.999, 0.999, 999, dtype=torch.float64)
    h = 1e-6
    _, slope = margin.on_target(cosine)
    numeric = (margin.on_target(cosine + h)[0] - margin.on_target(cosine - h)[0]) / (2 * h)
    torch.testing.assert_close(slope, numeric, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_never_rewards_a_wider_angle(margin: Margin) -> None:
    psi, slope = margin.on_target(ANGLES.cos())
    assert (psi.diff() <= 1e-12).all()
    assert (slope >= -1e-12).all()


@pytest.mark.parametrize("pole", [1.0, -1.0, 1.0 + 1e-6, -1.0 - 1e-6])
@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_the_poles_are_finite_and_exact(margin: Margin, pole: float) -> None:
    psi, slope = margin.on_target(torch.tensor([pole]))
    wanted, _ = oracle(0.0 if pole > 0 else math.pi, margin)
    assert psi.item() == pytest.approx(wanted, abs=1e-6)
    assert math.isfinite(slope.item())
    assert slope.item() <= margin.m1 / SIN_FLOOR


@pytest.mark.parametrize("margin", MARGINS, ids=str)
def test_straight_through_moves_the_logit_but_not_the_gradient(margin: Margin) -> None:
    through = margin.model_copy(update={"straight_through": True})
    psi, slope = through.on_target(ANGLES.cos())
    assert torch.equal(psi, margin.on_target(ANGLES.cos())[0])
    assert torch.equal(slope, torch.ones_like(slope))


def test_cosface_is_a_plain_subtraction() -> None:
    cosine = torch.linspace(-1, 1, 7)
    psi, slope = Margin(m3=0.35).on_target(cosine)
    assert torch.equal(psi, cosine - 0.35)
    assert torch.equal(slope, torch.ones(7))


def test_quality_moves_each_samples_own_margin() -> None:
    norms = torch.tensor([5.0, 20.0, 35.0, 1000.0])
    margin = QualityMargin.of_norms(norms, 20.0, 5.0, Margin(quality=0.4))
    quality = [-15 / 5.001 * 0.333, 0.0, 15 / 5.001 * 0.333, 1.0]
    psi, _ = margin.on_target(torch.full((4,), 0.2))
    for value, q in zip(psi.tolist(), quality, strict=True):
        expected = math.cos(max(math.acos(0.2) - 0.4 * q, 0.0)) - (0.4 + 0.4 * q)
        assert value == pytest.approx(expected, abs=1e-5)


def test_quality_carries_no_gradient() -> None:
    norms = torch.tensor([5.0, 20.0], requires_grad=True)
    assert not QualityMargin.of_norms(norms, 20.0, 5.0, Margin(quality=0.4)).quality.requires_grad


def test_an_angle_pushed_under_zero_stays_at_zero() -> None:
    psi, slope = margin_on_target(torch.tensor([1.0, 0.99]), 1.0, torch.tensor([-0.4, -0.4]), 0.0)
    assert torch.equal(psi, torch.ones(2))
    assert torch.equal(slope, torch.zeros(2))
