"""Our reader and pydantic, made from the same classes, accept and refuse the same reports."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_report import sample_report

from embedge.report.model import Report
from embedge.report.read import type_adapter
from embedge.typed import Mistakes, plain, structured

pydantic = pytest.importorskip("pydantic")

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**70),
    st.just(10**400),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from([0.5, 1.0, 2, "min", "teacher", "ms", "0" * 64, [], {}, [1], {"p50": [1, 2]}]),
)


def small() -> Any:
    """Every kind of part once or twice: mutations then reach all of them."""
    value = plain(sample_report(pictures=False))
    comparisons = value["evaluation"]["comparisons"]
    comparisons[:] = [one for one in comparisons if one["drift"]][:2]
    for one in comparisons:
        one["det"] = {name: series[:2] for name, series in one["det"].items()}
        one["histogram"] = {"edges": [-1.0, 0.0, 1.0], "genuine": [0, 4], "impostor": [9, 1]}
    for curve in value["training"]["curves"]:
        curve["steps"] = curve["steps"][:2]
        curve["series"] = {name: series[:2] for name, series in curve["series"].items()}
    value["provenance"]["recipe"] = {"seed": 1}
    value["artifacts"][0]["float_layers"] = [{"node": "n", "macs_share": 0.1, "why": "w"}]
    window = {"at_s": 1.0, "n": 9, "p50": 2.0}
    value["latency"]["scenarios"] = [
        {"scenario": "sustained", "artifact": "fp32", "threads": 1, "provider": "CPU"}
        | {"images_per_s": 3.0, "windows": [window]}
    ]
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside, innermost included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, one in inner:
        found.append((*path, key))
        if isinstance(one, dict | list):
            found += places(one, (*path, key))
    return found


SMALL = small()
# which version it is, our reader asks before anything else
PLACES = [place for place in places(SMALL) if place != ("schema",)]
ADAPTER = type_adapter()


CHANGES = st.tuples(
    st.sampled_from(PLACES), st.sampled_from(["replace", "replace", "remove", "add"]), ODD
)


def changed(changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    value = copy.deepcopy(SMALL)
    for (*path, key), how, odd in changes:
        holder = value
        try:
            for step in path:
                holder = holder[step]
            if how == "replace":
                holder[key] = copy.deepcopy(odd)
            elif how == "remove":
                del holder[key]
            elif isinstance(holder, dict):
                holder["surprise"] = odd
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this one's place away
    return value


def ours(value: Any) -> Any:
    """The shape alone: what contradicts itself has one and is refused after that."""
    try:
        return structured(Report, value)
    except Mistakes:
        return None


def theirs(value: Any) -> Any:
    try:
        return ADAPTER.validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError:
        return None


def test_both_read_the_unchanged_report_as_one() -> None:
    assert ours(SMALL) == theirs(SMALL) is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=2))
def test_both_accept_or_refuse_alike(changes: list[tuple[tuple[Any, ...], str, Any]]) -> None:
    value = changed(changes)
    assert (ours(value) == theirs(value)) is True
