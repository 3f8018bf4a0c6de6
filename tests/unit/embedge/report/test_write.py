"""Both files are written, can be read again, and an unreadable report leaves the old ones alone."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from embedge.errors import EmbedgeError
from embedge.report.model import Report
from embedge.report.read import json_schema, read_report
from embedge.report.write import write_report


def test_both_files_are_written_and_read_back(tmp_path: Path, sample: Report) -> None:
    page = write_report(sample, tmp_path)
    assert page == tmp_path / "report.html"
    assert read_report(tmp_path / "report.json") == sample
    assert page.stat().st_size < 2_000_000
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["report.html", "report.json"]


def test_the_json_schema_accepts_it_and_refuses_a_spoilt_one(
    tmp_path: Path, sample: Report
) -> None:
    write_report(sample, tmp_path)
    value = json.loads((tmp_path / "report.json").read_text())
    check = jsonschema.Draft202012Validator(json_schema())
    check.check_schema(json_schema())
    assert list(check.iter_errors(value)) == []
    assert list(check.iter_errors({**value, "title": 3}))
    assert list(check.iter_errors({**value, "surprise": 3}))


def test_a_wrong_report_leaves_the_old_files_alone(tmp_path: Path, sample: Report) -> None:
    write_report(sample, tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    spoilt = replace(sample, artifacts=(replace(sample.artifacts[0], sha256="?"),))
    with pytest.raises(EmbedgeError, match=r"artifacts\[0\]\.sha256: is not a sha256"):
        write_report(spoilt, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == before
