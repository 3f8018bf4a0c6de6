"""Numbers that options take, each refused by the parser where it cannot be meant."""

import argparse
from dataclasses import dataclass

__all__ = [
    "AMOUNT",
    "COSINE",
    "COUNT",
    "DIVISOR",
    "FINITE",
    "FMR",
    "MARGIN",
    "PART",
    "POINTS",
    "RATE",
    "SECONDS",
    "SEED",
    "SEVERAL",
    "THREADS",
    "WHOLE",
    "Number",
    "whole",
]

_LARGE = 2**31 - 1
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Number:
    """From `least` to `most`, or between them where `within`; a type for `add_argument`."""

    least: float
    most: float
    words: str
    kind: type[int] | type[float] = float
    within: bool = False

    def __call__(self, text: str) -> float:
        try:
            value = self.kind(text)
        except ValueError:
            raise self._refused(text) from None
        fits = self.least < value < self.most if self.within else self.least <= value <= self.most
        if not fits:  # no comparison holds for nan
            raise self._refused(text)
        return value

    def _refused(self, text: str) -> argparse.ArgumentTypeError:
        return argparse.ArgumentTypeError(f"{text} is not {self.words}")


def whole(least: int, most: int = _LARGE) -> Number:
    words = f"a whole number from {least} to {most:,}"
    return Number(least, most, words, int)


COUNT, SEVERAL, WHOLE = whole(1), whole(2), whole(0)
THREADS = whole(1, 512)
SEED = whole(0, 2**32 - 1)
RATE = Number(0, 1, "a rate between 0 and 1, such as 0.001", within=True)
# beyond one in ten nothing is decided that a door could live with
FMR = Number(0, 0.1 + 1e-12, "a rate above 0 and at most 0.1, such as 0.0001", within=True)
PART = Number(0, 1, "a number from 0 to 1")
COSINE = Number(-1, 1, "a cosine from -1 to 1")
MARGIN = Number(0, 0.99, "a number from 0 to 0.99")
POINTS = Number(0, 100, "a number of points from 0 to 100")
AMOUNT = Number(0, 1e9, "a number from 0 to 1,000,000,000")
SECONDS = Number(1e-3, _DAY, f"a time from 0.001 to {_DAY:,} seconds")
# what a pixel is scaled by stays far from where a float32 overflows
FINITE = Number(-1e6, 1e6, "a number from -1,000,000 to 1,000,000")
DIVISOR = Number(1e-6, 1e6, "a number above zero, from 0.000001 to 1,000,000")
