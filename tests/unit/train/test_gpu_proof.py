"""What docs/reference/gpu-proof.md names as proof is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/gpu-proof.md").read_text()


def test_every_test_and_benchmark_exists() -> None:
    named, file = re.findall(r"`(tests/[\w/.]+)?::(\w+)`", PAGE), ""
    assert len(named) > 40
    for where, name in named:
        file = where or file
        assert f"def {name}(" in (ROOT / file).read_text(), (file, name)
    benchmarks = re.findall(r"`(?:python )?(benchmarks/\w+\.py)", PAGE)
    assert len(benchmarks) >= 5
    assert all((ROOT / one).is_file() for one in benchmarks)


def test_every_claim_is_shown_or_said_to_be_open() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "claim" not in line]
    open_or_shown = ("`tests/", "`benchmarks/", "not yet run", "left out", "`embedge plan")
    assert len(rows) > 35
    assert all(any(word in row.split("|")[2] for word in open_or_shown) for row in rows)
