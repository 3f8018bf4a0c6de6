"""JSON that every reader takes alike: each key once, finite numbers, text that can be written."""

import json
import math
from typing import Any

__all__ = ["json_value"]

_DEEPEST = 100
_LARGEST = 2**64  # beyond it arithmetic with floats overflows sooner or later


def json_value(data: bytes | str) -> Any:
    """The value that `data` holds; a ValueError says what is wrong with it."""
    try:
        value = json.loads(
            data,
            parse_constant=_no_number,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_once,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _require_writable(value)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one key, readers differ in which they take."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is no number that can be kept")
    return value


def _whole(digits: str) -> int:
    value = int(digits)
    if abs(value) >= _LARGEST:
        raise ValueError(f"{digits[:40]} is no number that can be kept")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _require_writable(value: Any) -> None:
    """Half a surrogate pair is no text, and what is too deep cannot be written again."""
    level = [value]
    for _ in range(_DEEPEST):
        for text in level:
            if isinstance(text, str):
                text.encode()
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [part for one in inner for part in _parts(one)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _parts(value: dict[str, Any] | list[Any]) -> list[Any]:
    return value if isinstance(value, list) else [*value, *value.values()]
