"""The errors at a score come from the bundle's report."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sample_report import sample_report
from tiny_bundles import tiny_bundle

from embedge.demo_page.answers import Errors
from embedge.errors import EmbedgeError
from embedge.report.model import Provenance, Report, Verdict
from embedge.runtime import Bundle
from embedge.typed import plain


def errors(folder: Path, report: bytes | Report) -> Errors | None:
    text = report if isinstance(report, bytes) else json.dumps(plain(report)).encode()
    with Bundle.open(tiny_bundle(folder / "t.embedge", files={"report.json": text})) as bundle:
        return Errors.of(bundle, "int8-cpu")


def test_the_artifact_by_itself_is_found(tmp_path: Path) -> None:
    report = sample_report(pictures=False)
    alone = next(
        one
        for one in report.comparisons
        if one.gallery == one.probe and one.probe.artifact == "int8-cpu"
    )
    found = errors(tmp_path, report)
    assert found is not None
    point = next(point for point in alone.tar if point.threshold is not None)
    bin_width = alone.histogram.edges[1] - alone.histogram.edges[0]
    at = found.at(point.threshold or 0)
    assert at["fnmr"] == pytest.approx(1 - (point.tar or 0), abs=0.02)
    assert found.at(-1.0) == {"fmr": 1.0, "fnmr": 0.0}
    assert found.at(1.0 + bin_width) == {"fmr": 0.0, "fnmr": 1.0}


def test_without_such_a_comparison_there_are_none(tmp_path: Path) -> None:
    bare = replace(
        sample_report(pictures=False),
        artifacts=(),
        evaluation=None,
        verdict=Verdict.of([]),
        provenance=Provenance(),
    )
    assert errors(tmp_path, bare) is None


@pytest.mark.parametrize("report", [b"no JSON", b"[" * 100_000, b"[1]", b"{}", b'{"schema": 7}'])
def test_a_report_that_is_none_is_a_sentence(tmp_path: Path, report: bytes) -> None:
    with pytest.raises(EmbedgeError, match="E-REPORT"):
        errors(tmp_path, report)
