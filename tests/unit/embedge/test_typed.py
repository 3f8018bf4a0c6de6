"""Dataclasses from JSON: what fits is read, what does not is told with its place, all at once."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from embedge.typed import Bound, Mistakes, Pattern, plain, structured


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


def test_arrays_are_no_json() -> None:
    assert plain({"a": (1, Inner(0.5))}) == {"a": [1, {"share": 0.5, "name": "x"}]}
    with pytest.raises(Mistakes):
        structured(tuple[int, ...], np.arange(3))
