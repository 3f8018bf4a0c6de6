"""Learning rate over steps: linear warm-up, then down to a hundredth by half a cosine, or by a
polynomial of the second degree as arcface_torch does."""

import math

__all__ = ["rate_at"]

_FLOOR = 0.01


def rate_at(step: int, steps: int, warmup: int, shape: str = "cosine") -> float:
    """The factor on the peak learning rate at `step`."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    fall = 0.5 * (1 + math.cos(math.pi * done)) if shape == "cosine" else (1 - done) ** 2
    return _FLOOR + (1 - _FLOOR) * fall
