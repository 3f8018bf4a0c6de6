"""What docs/reference/evidence-proof.md names as proof is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/reference/evidence-proof.md").read_text()


def test_every_test_and_benchmark_exists() -> None:
    named, file = re.findall(r"`(tests/[\w/.]+)?::(\w+)`", PAGE), ""
    assert len(named) > 60
    for where, name in named:
        file = where or file
        assert f"def {name}(" in (ROOT / file).read_text(), (file, name)
    benchmarks = set(re.findall(r"`(benchmarks/\w+\.py)`", PAGE))
    assert benchmarks == {"benchmarks/interval_coverage.py", "benchmarks/group_gaps.py"}
    assert all((ROOT / one).is_file() for one in benchmarks)


def test_every_line_is_shown_or_said_to_be_open() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "found |" not in line]
    assert len(rows) > 40
    for row in rows:
        assert any(word in row.split("|")[2] for word in ("`tests/", "not seen")), row
