"""The errors at a score come from the bundle's report, whichever form it has."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from embedge.demo_page.answers import Errors
from embedge.errors import EmbedgeError
from embedge.runtime import Bundle

HISTOGRAM = {"edges": [-1.0, 0.0, 0.5, 1.0], "impostor": [60, 39, 1], "genuine": [0, 10, 90]}


def errors(folder: Path, report: Any) -> Errors | None:
    text = report if isinstance(report, bytes) else json.dumps(report).encode()
    with Bundle.open(tiny_bundle(folder / "t.embedge", files={"report.json": text})) as bundle:
        return Errors.of(bundle, "int8-cpu")


def compared(side: object) -> dict[str, Any]:
    entry = {"gallery": side, "probe": side, "histogram": HISTOGRAM}
    return {"evaluation": {"comparisons": [{"gallery": "a", "probe": "b"}, entry]}}


@pytest.mark.parametrize(
    "side", ["int8-cpu", "student int8-cpu", {"model": "student", "artifact": "int8-cpu"}]
)
def test_the_artifact_is_found_under_each_name(tmp_path: Path, side: object) -> None:
    found = errors(tmp_path, compared(side))
    assert found is not None
    assert found.at(0.5) == {"fmr": 0.01, "fnmr": 0.1}
    assert found.at(-1.0) == {"fmr": 1.0, "fnmr": 0.0}


@pytest.mark.parametrize("report", [{}, {"evaluation": None}, compared("teacher")])
def test_without_such_a_comparison_there_are_none(tmp_path: Path, report: object) -> None:
    assert errors(tmp_path, report) is None


@pytest.mark.parametrize(
    "report",
    [
        b"no JSON",
        b"[" * 100_000,
        [1],
        {"evaluation": 7},
        {"evaluation": {"comparisons": [1]}},
        {"evaluation": {"comparisons": [{"gallery": {}, "probe": {}}]}},
        {
            "evaluation": {
                "comparisons": [
                    {
                        "gallery": "int8-cpu",
                        "probe": "int8-cpu",
                        "histogram": {**HISTOGRAM, "edges": [0.0, 1.0]},
                    }
                ]
            }
        },
    ],
)
def test_a_report_that_is_none_is_a_sentence(tmp_path: Path, report: object) -> None:
    with pytest.raises(EmbedgeError, match="E-REPORT"):
        errors(tmp_path, report)
