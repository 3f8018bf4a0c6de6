"""Learning rate over steps: linear warm-up, then half a cosine down to a hundredth."""

import math

__all__ = ["rate_at"]

_FLOOR = 0.01


def rate_at(step: int, steps: int, warmup: int) -> float:
    """The factor on the peak learning rate at `step`."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
