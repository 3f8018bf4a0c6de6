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
        return float(np.clip(self.generator.standard_normal(), -_REACH, _REACH))

    def between(self, low: float, high: float) -> float:
        return float(self.generator.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def pick(self, weights: tuple[float, ...]) -> int:
        """An index, drawn by weight."""
        edges = np.cumsum(weights)
        return int(np.searchsorted(edges, self.generator.random() * edges[-1], side="right"))

    def colour(self, low: float = 0.0, high: float = 1.0) -> tuple[float, float, float]:
        red, green, blue = self.generator.uniform(low, high, 3).tolist()
        return red, green, blue
