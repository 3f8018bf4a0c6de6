"""What a manifest may state: every number by type and range, every text by length.

A complaint is a ValueError that names the field; whoever reads the manifest says which file it is.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["number", "only", "sha256", "text", "whole"]

_LONGEST = 1000


def number(value: object, name: str, low: float, high: float, *, above: bool = False) -> float:
    """A finite number from `low` (not `low` itself, with `above`) to `high`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = low < value <= high if above else low <= value <= high  # NaN is inside nothing
        if inside:
            return float(value)
    bound = "above" if above else "from"
    raise ValueError(f"{name} is {_shown(value)}, it must be a number {bound} {low:g} to {high:g}")


def whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(f"{name} is {_shown(value)}, it must be a whole number from {low} to {high}")


def text(value: object, name: str) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST and value.isprintable():
        return value
    raise ValueError(f"{name} is {_shown(value)}, it must be plain text")


def sha256(value: object, name: str) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value
    raise ValueError(f"{name} is {_shown(value)}, it must be a sha256 in hexadecimal")


def only(value: object, name: str, fields: frozenset[str]) -> Mapping[str, Any]:
    """A JSON object with exactly these fields."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {_shown(value)}, it must be an object")
    if wrong := sorted(set(value) ^ fields):
        raise ValueError(f"{name} lacks or must not have {', '.join(map(_shown, wrong))}")
    return value


def _shown(value: object) -> str:
    return repr(value)[:60]
