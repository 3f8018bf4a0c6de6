"""Exact binomial bounds, for counts that need not be whole (effective counts of clustered data)."""

import math

from embedge.calibration.intervals.interval import CONFIDENCE

__all__ = ["lower_bound", "rule_of_three", "upper_bound"]

_ROUNDS = 200
_TINY = 1e-300


def upper_bound(errors: float, trials: float, confidence: float) -> float:
    """One-sided Clopper-Pearson upper bound of a rate."""
    if errors >= trials:
        return 1.0
    return _beta_quantile(confidence, errors + 1, trials - errors)


def lower_bound(errors: float, trials: float, confidence: float) -> float:
    """One-sided Clopper-Pearson lower bound of a rate."""
    if errors <= 0:
        return 0.0
    return _beta_quantile(1 - confidence, errors, trials - errors + 1)


def rule_of_three(trials: float, confidence: float = CONFIDENCE) -> float:
    """Upper bound of a rate when none of the trials went wrong: about 3/trials at 95 %."""
    if trials <= 0:
        return 1.0
    return -math.expm1(math.log1p(-confidence) / trials)


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """The x whose regularised incomplete beta function is `probability`: Newton in a bracket."""
    low, high, x = 0.0, 1.0, a / (a + b)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(_ROUNDS):
        excess = _incomplete_beta(x, a, b) - probability
        if excess < 0:
            low = x
        else:
            high = x
        slope = math.exp(scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))
        step = x - excess / slope if slope > _TINY else low
        following = step if low < step < high else (low + high) / 2
        if following in (low, high) or abs(following - x) <= 1e-14 * x:
            break
        x = following
    return x


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    log_front = (
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * math.log1p(-x)
        - math.log(a)
    )
    return math.exp(log_front) / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method on 1 + d1/(1 + d2/(1 + …)), whose odd and even terms differ."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 100_000):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / (1 + term * d or _TINY)
        c = 1 + term / c or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value
