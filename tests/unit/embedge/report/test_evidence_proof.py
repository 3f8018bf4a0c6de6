"""What docs/reference/evidence-proof.md names as proof is there."""

from proof_page import named_benchmarks, page, require_named_tests

PAGE = page("evidence-proof")


def test_every_test_and_benchmark_exists() -> None:
    require_named_tests(PAGE, more_than=60)
    both = {"benchmarks/interval_coverage.py", "benchmarks/group_gaps.py"}
    assert named_benchmarks(PAGE) == both


def test_every_line_is_shown_or_said_to_be_open() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "found |" not in line]
    assert len(rows) > 40
    for row in rows:
        assert any(word in row.split("|")[2] for word in ("`tests/", "not seen")), row
