"""A stored comparison is read as what it was, and written again in the same shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from embedge.pipeline.compare.result import MethodsComparison

RESULTS = Path(__file__).parents[5] / "benchmarks" / "results"


@pytest.fixture
def stored() -> Any:
    return json.loads((RESULTS / "methods-rendered.json").read_text())


def test_what_a_benchmark_stored_is_read_and_written_alike(stored: Any) -> None:
    found = MethodsComparison.from_json(stored).to_json()
    assert found["methods"] == stored["methods"]
    assert {**stored, **found, "teacher": stored["teacher"]} == stored


def test_methods_are_ranked_by_the_teachers_gallery(stored: Any) -> None:
    ranked = MethodsComparison.from_json(stored).ranked("0.001")
    worth = [one.worth("0.001") for _, one in ranked]
    assert worth == sorted(worth, reverse=True)
    assert ranked[0][1].behind["cross-space"]["0.001"] is None


def test_whom_a_shared_head_names_is_kept(stored: Any) -> None:
    run = next(iter(stored["methods"].values()))["runs"][0]
    run["shared_head"] = {"first": 0.5}
    found = MethodsComparison.from_json(stored)
    assert found.to_json()["methods"] == stored["methods"]
