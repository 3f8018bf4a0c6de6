"""docs/targets.md says what the file of results says, and nothing else."""

import copy
import json
from types import ModuleType
from typing import Any

import pytest
from benchmark import BENCHMARKS, benchmark

MARK = "<!-- table -->\n"


@pytest.fixture(scope="module")
def targets() -> ModuleType:
    return benchmark("targets")


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BENCHMARKS / "results" / "targets.json").read_text())
    return found


def test_the_table_is_the_one_that_the_file_makes(
    targets: ModuleType, stored: dict[str, Any]
) -> None:
    """Run `python benchmarks/targets.py --page` where this fails."""
    head, mark, table = targets.PAGE.read_text().partition(MARK)
    assert (head != "", mark) == (True, MARK)
    assert table == targets._table(stored["networks"])
    assert stored["not_yet_run"] == targets.NOT_YET


@pytest.mark.parametrize("figure", ["bytes", "cosine_p1", "tar_loss", "p50_ms"])
def test_an_edited_figure_is_another_table(
    targets: ModuleType, stored: dict[str, Any], figure: str
) -> None:
    edited = copy.deepcopy(stored["networks"])
    row = next(row for row in edited["demo"]["rows"] if figure in row)
    row[figure] += 10_000
    assert targets._table(edited) != targets._table(stored["networks"])
