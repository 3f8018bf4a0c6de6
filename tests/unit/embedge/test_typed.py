"""Dataclasses from JSON: what fits is read, what does not is told with its place, all at once."""

import math
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest

from embedge.errors import EmbedgeError
from embedge.typed import Bound, Mistakes, Pattern, Text, argument, plain, structured


@dataclass(frozen=True, slots=True)
class Inner:
    share: Annotated[float, Bound(0, 1)]
    name: Annotated[str, Pattern("[a-z]+", "a small word")] = "x"


@dataclass(frozen=True, slots=True)
class Outer:
    count: int
    inner: tuple[Inner, ...] = ()
    pair: tuple[int, str] | None = None
    kind: Literal["a", "b"] | tuple[str, ...] = "a"
    table: dict[str, Inner] = field(default_factory=dict)
    free: Any = None

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("13 is unlucky")


FULL = {
    "count": 3,
    "inner": [{"share": 1, "name": "yes"}],
    "pair": [1, "one"],
    "kind": ["c"],
    "table": {"k": {"share": 0.5, "name": "x"}},
    "free": [1, {"a": None}],
}


def test_there_and_back() -> None:
    found = structured(Outer, FULL)
    assert found.inner == (Inner(1.0, "yes"),)
    assert found.kind == ("c",)
    assert plain(found) == FULL
    assert structured(Outer, {"count": 1}) == Outer(1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], ["outer: is a list, not an object"]),
        ({}, ["outer.count: is missing"]),
        ({"count": True}, ["outer.count: is True, not a whole number"]),
        ({"count": 1.0}, ["outer.count: is 1.0, not a whole number"]),
        ({"count": 13}, ["outer: 13 is unlucky"]),
        ({"count": 1, "odd": 2}, ["outer.odd: is unknown"]),
        ({"count": 1, "pair": [1]}, ["outer.pair: has 1 entries, not 2"]),
        ({"count": 1, "kind": "c"}, ["outer.kind: is none of 'a', 'b'"]),
        ({"count": 1, "inner": [{"share": float("nan")}]},
         ["outer.inner[0].share: is no finite number"]),
        ({"count": 1, "inner": [{"share": 10**400}]},
         ["outer.inner[0].share: is no finite number"]),
        ({"count": "1", "inner": [{"share": 2, "name": "No"}]},
         ["outer.count: is '1', not a whole number", "outer.inner[0].share: 2 is above 1",
          "outer.inner[0].name: is not a small word"]),
        ({"count": 1, "table": {"k": None}}, ["outer.table.k: is null, not an object"]),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_place(value: Any, told: list[str]) -> None:
    with pytest.raises(Mistakes) as caught:
        structured(Outer, value)
    assert caught.value.lines == told


@dataclass(frozen=True, slots=True)
class Stated:
    complete: ClassVar[bool] = True
    line: Text = "x"
    rate: Annotated[float, Bound(0, 1, above=True)] = 1.0
    day: date | None = None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"line": "two\nlines"}, "stated.line: is not plain text"),
        ({"line": "x" * 1001}, "stated.line: is not plain text"),
        ({"rate": 0}, "stated.rate: 0 is not above 0"),
        ({"rate": 10**30}, "stated.rate: 1e+30 is above 1"),
        ({"day": "soon"}, "stated.day: is 'soon', not a day as 2030-12-31"),
        ({"day": 20270101}, "stated.day: is 20270101, not a day as 2030-12-31"),
        ({"\x1b[2J": 1}, r"stated.\x1b[2J: is unknown"),
    ],
)
def test_texts_shares_and_days(change: dict[str, Any], told: str) -> None:
    fine = {"line": "a b", "rate": 0.1, "day": "2027-02-01"}
    assert structured(Stated, fine) == Stated("a b", 0.1, date(2027, 2, 1))
    with pytest.raises(Mistakes) as caught:
        structured(Stated, {**fine, **change})
    assert caught.value.lines == [told]


def test_a_complete_class_leaves_nothing_to_defaults() -> None:
    with pytest.raises(Mistakes) as caught:
        structured(Stated, {"line": "a"})
    assert caught.value.lines == ["stated.rate: is missing", "stated.day: is missing"]


def test_a_message_tells_the_first_mistakes_and_how_many_there_are() -> None:
    with pytest.raises(Mistakes, match=r"x\[4\]: is '', not a whole number; and 3 more$"):
        structured(tuple[int, ...], [""] * 8, name="x")


def test_arrays_are_no_json() -> None:
    assert plain({"a": (1, Inner(0.5))}) == {"a": [1, {"share": 0.5, "name": "x"}]}
    with pytest.raises(Mistakes):
        structured(tuple[int, ...], np.arange(3))


WHOLE, SHARE = Annotated[int, Bound(1)], Annotated[float, Bound(0, 1, above=True)]


def test_arguments_may_be_numbers_of_numpy() -> None:
    taken = [argument(WHOLE, value, "n", "") for value in (1, np.uint8(7), 10**30)]
    assert (taken, type(taken[1])) == ([1, 7, 10**30], int)
    assert [argument(SHARE, value, "p", "") for value in (1, np.float32(0.5))] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[(WHOLE, value) for value in (0, -1, 2.0, math.nan, None, "4", True, np.float64(2))],
        *[(SHARE, value) for value in (0, 2, math.inf, math.nan, "0.5", None, True, 10**400, 1j)],
    ],
)
def test_an_argument_that_is_none_of_its_kind(kind: object, value: object) -> None:
    with pytest.raises(EmbedgeError) as caught:
        argument(kind, value, "batch", "a whole number")
    assert str(caught.value) == f"E-OPTION: batch is {value!r:.80}. Give a whole number"
