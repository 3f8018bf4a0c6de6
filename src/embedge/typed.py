"""Frozen dataclasses from JSON and back: every mistake told at once, each with its place.

The standard library is enough to read a report or a manifest on a device. pydantic understands the
same annotations, for whoever wants the JSON Schema.
"""

import dataclasses
import re
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from numbers import Number
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from embedge.errors import EmbedgeError, ours
from embedge.printed import printable

__all__ = ["Bound", "Digest", "Mistakes", "Pattern", "Text", "argument", "plain", "structured"]

T = TypeVar("T")
_MOST_TOLD = 5


class Mistakes(ValueError):
    """Everything that is wrong with a value, one line each, led by its place."""

    def __init__(self, lines: list[str]):
        self.lines = lines
        rest = [f"and {len(lines) - _MOST_TOLD} more"] if len(lines) > _MOST_TOLD else []
        super().__init__("; ".join([*lines[:_MOST_TOLD], *rest]))


class Constraint(ABC):
    """What an annotation demands beyond the type; pydantic asks for it through its two hooks."""

    @abstractmethod
    def check(self, value: Any) -> Any:
        """The value, or a ValueError that says what is wrong with it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        inner = {"type": "no-info", "function": self.check}
        return {"type": "function-after", "function": inner, "schema": handler(source)}

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), **self.keywords()}

    @abstractmethod
    def keywords(self) -> dict[str, Any]:
        """The same demand in JSON Schema's words."""


@dataclass(frozen=True, slots=True)
class Bound(Constraint):
    """A number between `low` and `high`, both allowed; with `above`, `low` itself is not."""

    low: float | None = None
    high: float | None = None
    above: bool = False

    def check(self, value: float) -> float:
        if self.low is not None and value < self.low:
            raise ValueError(f"{_short(value)} is below {_short(self.low)}")
        if self.above and value == self.low:
            raise ValueError(f"{_short(value)} is not above {_short(self.low)}")
        if self.high is not None and value > self.high:
            raise ValueError(f"{_short(value)} is above {_short(self.high)}")
        return value

    def keywords(self) -> dict[str, Any]:
        low = "exclusiveMinimum" if self.above else "minimum"
        ends = {low: self.low, "maximum": self.high}
        return {name: end for name, end in ends.items() if end is not None}


@dataclass(frozen=True, slots=True)
class Pattern(Constraint):
    """A text that matches from beginning to end."""

    regex: str
    words: str

    def check(self, value: str) -> str:
        if not re.fullmatch(self.regex, value):
            raise ValueError(f"is not {self.words}")
        return value

    def keywords(self) -> dict[str, Any]:
        return {"pattern": f"^{self.regex}$"}


@dataclass(frozen=True, slots=True)
class _Printable(Constraint):
    """One line that a terminal shows as it is."""

    longest: int = 1000

    def check(self, value: str) -> str:
        if len(value) > self.longest or not value.isprintable():
            raise ValueError("is not plain text")
        return value

    def keywords(self) -> dict[str, Any]:
        return {"maxLength": self.longest}


Text = Annotated[str, _Printable()]
Digest = Annotated[str, Pattern("[0-9a-f]{64}", "a sha256 in hexadecimal")]


def structured(kind: type[T], value: Any, *, name: str = "") -> T:
    """`value`, as JSON gives it, as a `kind`; raises Mistakes."""
    mistakes: list[str] = []
    found = _read(kind, value, name or kind.__name__.lower(), mistakes)
    if mistakes:
        raise Mistakes(mistakes)
    result: T = found
    return result


def argument(kind: Any, value: object, name: str, taken: str, *, code: str = "E-OPTION") -> Any:
    """What a caller gave as a `kind`, numpy's numbers too; the error says what is `taken`."""
    number = value.item() if isinstance(value, Number) and hasattr(value, "item") else value
    try:
        return structured(kind, number, name=name)
    except Mistakes as error:
        given = f"{name} is {value!r:.80}"
        raise EmbedgeError(code, given, remedy=f"Give {taken}") from error


def plain(value: Any) -> Any:
    """Dataclasses, tuples and NumPy's numbers as JSON has them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def _read(kind: Any, value: Any, place: str, mistakes: list[str]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _constrained(inner, value, place, mistakes)
    if origin in (Union, types.UnionType):
        return _one_of(inner, value, place, mistakes)
    if origin is Literal:
        return _said(value in inner, value, f"is none of {_listed(inner)}", place, mistakes)
    if origin is tuple:
        return _row(inner, value, place, mistakes)
    if origin in (dict, Mapping):
        return _named(inner[1], value, place, mistakes)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, place, mistakes)
    return _scalar(kind, value, place, mistakes)


def _record(kind: Any, value: Any, place: str, mistakes: list[str]) -> Any:
    if not isinstance(value, dict):
        return _wrong(place, f"is {_words(value)}, not an object", mistakes)
    (hints, fields), before = _fields_of(kind), len(mistakes)
    mistakes += [f"{_at(place, key)}: is unknown" for key in value if key not in fields]
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = _read(hints[name], value[name], f"{place}.{name}", mistakes)
        elif _required(kind, field):
            mistakes.append(f"{place}.{name}: is missing")
    if len(mistakes) > before:
        return None
    try:
        return kind(**given)
    except ours(ValueError) as error:
        return _wrong(place, str(error), mistakes)


@cache
def _fields_of(kind: Any) -> tuple[dict[str, Any], dict[str, "dataclasses.Field[Any]"]]:
    """Their types and themselves: a third of the reading of a small record, were it asked anew."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    return get_type_hints(kind, include_extras=True), fields


def _required(kind: Any, field: "dataclasses.Field[Any]") -> bool:
    """Without a default, or of a class that has `complete` set: nothing may be left to defaults."""
    defaults = (field.default, field.default_factory)
    return getattr(kind, "complete", False) or defaults == (dataclasses.MISSING,) * 2


def _row(inner: tuple[Any, ...], value: Any, place: str, mistakes: list[str]) -> Any:
    if not isinstance(value, list | tuple):
        return _wrong(place, f"is {_words(value)}, not a list", mistakes)
    if inner[-1] is Ellipsis:
        kinds: list[Any] = [inner[0]] * len(value)
    elif len(inner) == len(value):
        kinds = list(inner)
    else:
        return _wrong(place, f"has {len(value)} entries, not {len(inner)}", mistakes)
    numbered = enumerate(zip(kinds, value, strict=True))
    return tuple(_read(kind, one, f"{place}[{n}]", mistakes) for n, (kind, one) in numbered)


def _named(kind: Any, value: Any, place: str, mistakes: list[str]) -> Any:
    if not isinstance(value, dict):
        return _wrong(place, f"is {_words(value)}, not an object", mistakes)
    return {key: _read(kind, one, _at(place, key), mistakes) for key, one in value.items()}


def _one_of(kinds: tuple[Any, ...], value: Any, place: str, mistakes: list[str]) -> Any:
    """The first kind that the value fits; else what the nearest one says."""
    if value is None and type(None) in kinds:
        return None
    nearest: list[str] | None = None
    for kind in kinds:
        if kind is type(None):
            continue
        lines: list[str] = []
        found = _read(kind, value, place, lines)
        if not lines:
            return found
        nearest = lines if nearest is None or len(lines) < len(nearest) else nearest
    mistakes += nearest or [f"{place}: is {_words(value)}"]
    return None


def _constrained(inner: tuple[Any, ...], value: Any, place: str, mistakes: list[str]) -> Any:
    kind, *demands = inner
    before = len(mistakes)
    found = _read(kind, value, place, mistakes)
    if len(mistakes) > before or found is None:
        return found
    for demand in demands:
        if isinstance(demand, Constraint):
            try:
                demand.check(found)
            except ours(ValueError) as error:
                return _wrong(place, str(error), mistakes)
    return found


def _scalar(kind: Any, value: Any, place: str, mistakes: list[str]) -> Any:
    if kind is Any:
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        fine = -sys.float_info.max <= value <= sys.float_info.max
        return _said(fine, float(value) if fine else None, "is no finite number", place, mistakes)
    if kind is date:
        return _day(value, place, mistakes)
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    what = f"is {_words(value)}, not {names.get(kind, kind.__name__)}"
    return _said(fits, value, what, place, mistakes)


def _day(value: Any, place: str, mistakes: list[str]) -> date | None:
    try:
        return date.fromisoformat(value)
    except ours((TypeError, ValueError)):
        _wrong(place, f"is {_words(value)}, not a day as 2030-12-31", mistakes)
        return None


def _at(place: str, key: str) -> str:
    return f"{place}.{printable(key)[:80]}"


def _said(fine: bool, value: Any, what: str, place: str, mistakes: list[str]) -> Any:
    return value if fine else _wrong(place, what, mistakes)


def _wrong(place: str, what: str, mistakes: list[str]) -> None:
    mistakes.append(f"{place}: {what}")


def _listed(values: Iterator[Any] | tuple[Any, ...]) -> str:
    return ", ".join(map(repr, values))


def _short(number: float) -> str:
    return str(number)[:40] if isinstance(number, int) else f"{number:g}"


def _words(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null"}
    shown = repr(value)
    return kinds.get(type(value), shown if len(shown) < 40 else f"{shown[:36]} …")
