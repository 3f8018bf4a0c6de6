"""Numbered random streams: the same (seed, name, numbers) always draws the same values."""

import hashlib

import numpy as np

__all__ = ["Draw"]

_REACH = 2.2  # normal draws stop here, so that no face is a monster


def _word(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def _natural(number: int) -> int:
    """Integers to naturals, one to one: seeds may not be negative."""
    return 2 * number if number >= 0 else -2 * number - 1


class Draw:
    """Plain Python floats from one random stream."""

    def __init__(self, seed: int, name: str, *numbers: int) -> None:
        words = [_natural(seed), _word(name), *map(_natural, numbers)]
        # numbers of any length stay apart: each is preceded by its number of 32-bit words
        entropy = [word for number in words for word in (number.bit_length() // 32 + 1, number)]
        self.generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def normal(self, mean: float, spread: float) -> float:
        return mean + spread * self.bell()

    def bell(self) -> float:
        """A standard normal value, bounded."""
        return max(-_REACH, min(_REACH, float(self.generator.standard_normal())))

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self.generator.random())

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def pick(self, weights: tuple[float, ...]) -> int:
        """An index, drawn by weight."""
        left = sum(weights) * float(self.generator.random())
        for index, weight in enumerate(weights):
            left -= weight
            if left < 0.0:
                return index
        return len(weights) - 1

    def colour(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float, float]:
        return self.between(low, high), self.between(low, high), self.between(low, high)
