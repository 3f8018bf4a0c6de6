"""Numbers as people say them."""

import re
from datetime import datetime

__all__ = [
    "bare_percent",
    "beside_text",
    "bound_text",
    "byte_text",
    "cosine_text",
    "count_text",
    "date_text",
    "ms_text",
    "never_whole",
    "one_in",
    "percent",
    "rate_text",
    "short_digest",
    "value_text",
]

_MOST_DIGITS = 15
_NOTHING = 1e-10  # per cent, of which nobody has so many comparisons
_UNIT_SHARE = "share"  # a gate's value between 0 and 1, shown as a percentage


def percent(share: float | None, digits: int = 1) -> str:
    """0.974 → 97.4 %; small rates keep their leading figures, and 99.96 % is never all."""
    return "–" if share is None else f"{bare_percent(share, digits)}\N{NO-BREAK SPACE}%"


def bare_percent(share: float, digits: int = 1) -> str:
    """The figure without its sign: two leading figures at least, and only what is all or nothing
    is written so."""
    value = 100 * share
    if 0 < value < _NOTHING / 2:
        return f"below {_NOTHING:g}"
    if 0 < abs(value) < 10 ** (1 - digits):
        return f"{value:.2g}"
    return never_whole(value, 100, digits)


def never_whole(value: float, whole: float, digits: int) -> str:
    """With as many more digits as it takes not to be rounded to `whole`."""
    text = f"{value:.{digits}f}"
    while value != whole and float(text) == whole and digits < _MOST_DIGITS:
        digits += 1
        text = f"{value:.{digits}f}"
    return text


def rate_text(rate: float) -> str:
    """A target rate, which is a round number: 0.001 → 0.1 %."""
    return f"{100 * rate:.6g}\N{NO-BREAK SPACE}%"


def one_in(rate: float) -> str:
    """0.001 → 1 in 1,000."""
    return f"1 in {round(1 / rate):,}" if rate > 0 else "none"


def byte_text(count: float) -> str:
    """Decimal units, as disks are sold and downloads are shown."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.{1 if count / size >= 10 else 2}f} {unit}"
    return f"{count:.0f} B"


def count_text(count: float | None) -> str:
    """1,196,640 → 1.20 M."""
    if count is None:
        return "–"
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if count >= size:
            return f"{count / size:.{1 if count / size >= 100 else 2}f} {unit}"
    return f"{count:,.0f}"


def ms_text(milliseconds: float | None) -> str:
    """Three figures are what a latency deserves."""
    if milliseconds is None:
        return "–"
    if milliseconds >= 100:
        return f"{milliseconds:,.0f}"
    return f"{milliseconds:.2f}" if milliseconds < 10 else f"{milliseconds:.1f}"


def value_text(value: float | None, unit: str) -> str:
    """A gate's value with its unit; `share` is written as a percentage."""
    if value is None:
        return "not measured"
    if unit == _UNIT_SHARE:
        return percent(value, 2)
    if unit == "%":
        return f"{_figure(value)}\N{NO-BREAK SPACE}%"
    if unit.startswith("point"):
        figure = f"{value:.2f}" if value == 0 or abs(value) >= 0.01 else f"{value:.1g}"
        return figure.removesuffix(".00") + (" point" if value == 1 else " points")
    figure = f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if not unit and 0.9 <= abs(value) <= 1:  # a cosine: its last digits are what matters
        figure = cosine_text(value)
    return f"{figure}\N{NO-BREAK SPACE}{unit}" if unit else figure


def beside_text(value: float | None, bound: float, unit: str) -> str:
    """A gate's value beside its bound: what misses by little is not written as the bound."""
    said = value_text(value, unit)
    if value is None or value == bound or said != value_text(bound, unit):
        return said
    scale, sign = (100, "%") if unit == _UNIT_SHARE else (1, unit)
    for digits in range(4, _MOST_DIGITS + 3):
        said = f"{scale * value:.{digits}g}"
        if float(said) != float(f"{scale * bound:.{digits}g}"):
            break
    return f"{said}\N{NO-BREAK SPACE}{sign}".rstrip()


def cosine_text(value: float, digits: int = 4) -> str:
    """Its last digits are what matters: what is not 1 is not written so."""
    if abs(value - 1) < 1e-6 and value != 1:
        return f"1 − {1 - value:.0e}" if value < 1 else f"1 + {value - 1:.0e}"
    return never_whole(value, 1, digits)


def _figure(value: float) -> str:
    """Four figures, or as many as keep it from being 100 or 0."""
    figure = f"{value:.4g}"
    return figure if float(figure) != 100 else never_whole(value, 100, 0)


def bound_text(bound: float, direction: str, unit: str) -> str:
    side = "at least" if direction == "min" else "at most"
    return f"{side} {value_text(bound, unit)}"


def short_digest(name: str | None) -> str:
    """Twelve digits of a long hexadecimal digest; any other name in full."""
    if not name:
        return "–"
    hexadecimal = re.fullmatch(r"(?:sha256:)?([0-9a-f]{24,})", name)
    return hexadecimal[1][:12] if hexadecimal else name


def date_text(iso: str) -> str:
    """`2026-01-05 14:03 UTC`; what is no ISO date is shown as it is."""
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname() or ''}".rstrip()
