"""embedge report and embedge gate as a user meets them."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sample_report import sample_report

from embedge.files import sha256_file

POLICY = """
policy: embedge.policy/1
tar: [{comparison: "teacher gallery, student probe", fmr: 0.01, at_least: 0.9}]
size: [{artifact: int8-cpu, at_most_bytes: 2000000}]
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "report.json"
    path.write_text(json.dumps(sample_report()))
    return path


@pytest.fixture(scope="module")
def bad(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report: dict[str, Any] = copy.deepcopy(json.loads(good.read_text()))
    report["verdict"]["gates"][2].update(value=5.0, passed=False)
    report["verdict"]["passed"] = False
    path = tmp_path_factory.mktemp("bad") / "report.json"
    path.write_text(json.dumps(report))
    return path


def embedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_render_without_pictures_shows_no_face(good: Path, tmp_path: Path) -> None:
    done = embedge("report", "render", good, "--out", tmp_path, "--no-pictures")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "<img" not in page
    assert "person 1" not in page
    assert "data:image" not in (tmp_path / "report.json").read_text()


def test_diff_says_what_got_worse(good: Path, bad: Path, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    done = embedge("report", "diff", good, bad, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "worse   gate INT8 loss: passed → failed" in done.stdout
    assert "1 regression<" in page.read_text()
    assert embedge("report", "diff", good, bad, "--fail").returncode == 3
    assert embedge("report", "diff", bad, good, "--fail").returncode == 0
    told = json.loads(embedge("report", "diff", good, bad, "--json").stdout)
    assert [one["what"] for one in told["changes"] if one["regression"]] == ["gate INT8 loss"]


def test_merge_of_a_report_with_itself_adds_a_device(good: Path, tmp_path: Path) -> None:
    done = embedge("report", "merge", good, good, "--out", tmp_path, "--resolved", "engines")
    assert done.returncode == 0, done.stderr
    merged = json.loads((tmp_path / "report.json").read_text())
    assert merged["skipped"] == []
    assert merged["devices"][0]["device"] == "Cortex-A76"


def test_the_summary_names_the_report_by_its_digest(good: Path, tmp_path: Path) -> None:
    page = tmp_path / "summary.html"
    done = embedge("report", "summary", good, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert sha256_file(good) in text
    assert "Signed off by" in text
    assert "http:" not in text


def test_gate_passes_and_fails(good: Path, bad: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    done = embedge("gate", good, "--policy", policy)
    assert done.returncode == 0, done.stderr
    assert "FAIL" not in done.stdout
    done = embedge("gate", bad, "--policy", policy)
    assert done.returncode == 3
    assert "FAIL  gate INT8 loss" in done.stdout
    assert "E-GATE" in done.stderr
    told = json.loads(embedge("gate", bad, "--policy", policy, "--json").stdout)
    assert not told["passed"]


def test_mistakes_are_one_sentence(good: Path, tmp_path: Path) -> None:
    for arguments in (
        ("report", "render", tmp_path / "absent.json", "--out", tmp_path),
        ("gate", good, "--policy", tmp_path / "absent.yaml"),
        ("report", "merge", good, tmp_path / "absent.json", "--out", tmp_path),
    ):
        done = embedge(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("embedge: E-")
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_schema_is_printed_as_it_is_published():
    done = embedge("report", "schema")
    assert done.returncode == 0
    published = Path(__file__).parents[2] / "docs" / "reference" / "report.schema.json"
    assert done.stdout == published.read_text()
