"""Numbers that a caller gave: the right ones, or an error that says which ones are taken."""

import math
from numbers import Integral, Real

from embedge.errors import EmbedgeError

__all__ = ["finite", "share", "whole"]


def whole(name: str, value: object, *, least: int) -> int:
    """A whole number from `least` on."""
    if isinstance(value, Integral) and not isinstance(value, bool) and value >= least:
        return int(value)
    raise _wrong(name, value, f"a whole number from {least} on")


def finite(name: str, value: object) -> float:
    """A number, no text that looks like one."""
    number = _number(value)
    if math.isfinite(number):
        return number
    raise _wrong(name, value, "a finite number")


def share(name: str, value: object) -> float:
    """A number above 0, at most 1."""
    number = _number(value)
    if 0 < number <= 1:
        return number
    raise _wrong(name, value, "a number above 0, at most 1")


def _number(value: object) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _wrong(name: str, value: object, taken: str) -> EmbedgeError:
    return EmbedgeError("E-OPTION", f"{name} is {value!r:.80}", remedy=f"Give {taken}")
