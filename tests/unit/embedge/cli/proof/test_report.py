import json
from pathlib import Path

import pytest

from embedge.cli import main
from embedge.cli.proof.report import _print_changes
from embedge.report.diff import Change


def test_what_chance_explains_is_told_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    changes = [
        Change("licence", "a", "b\nworse forged", "", "changed", certain=True),
        Change("size", 2.0, 1.0, "MB", "better", certain=True),
        Change("TAR", 0.9, 0.8, "", "worse", certain=True),
        Change("p50", 1.0, 1.1, "ms", "worse", certain=False),
        Change("p90", 1.0, 1.0, "ms", "same", certain=True),
    ]
    _print_changes(changes, ["the machine differs"], everything=False)
    note, *lines, total = capsys.readouterr().out.splitlines()
    assert note == "note    the machine differs"
    assert [line.split(":")[0].split() for line in lines] == [
        ["worse", "TAR"],
        ["better", "size"],
        ["changed", "licence"],
    ]
    assert total == "5 figures compared, 1 got worse"
    _print_changes(changes, [], everything=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith(", within what chance explains")] == [lines[1]]


def test_a_regression_fails_only_when_asked(
    good: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ["report", "diff", str(good), str(bad), "--json"]
    assert main(pair) == 0
    answer = json.loads(capsys.readouterr().out)
    worse = [one["what"] for one in answer["changes"] if one["regression"]]
    assert len(worse) == 1
    assert main([*pair, "--fail"]) == 3
    assert f"E-REGRESSION: 1 figures got worse: {worse[0]}" in capsys.readouterr().err


def test_only_a_stage_that_can_be_skipped_is_resolved(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    merge = ["report", "merge", str(good), str(good), "--out", "x"]
    with pytest.raises(SystemExit):
        main([*merge, "--resolved", "training"])
    assert "invalid choice: 'training'" in capsys.readouterr().err


def test_pictures_are_never_left_out_of_the_only_report_that_has_them(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = good.rename(good.with_name("report.json"))
    before = report.read_bytes()
    assert (
        main(["report", "render", str(report), "--out", str(report.parent), "--no-pictures"]) == 2
    )
    assert "E-OVERWRITE" in capsys.readouterr().err
    assert report.read_bytes() == before


def test_a_report_that_cannot_be_merged_is_named(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = json.loads(good.read_text())
    other["space"]["contract_digest"] = "0" * 64
    strange = tmp_path / "strange.json"
    strange.write_text(json.dumps(other))
    merge = ["report", "merge", str(good), str(good), str(strange), "--out", str(tmp_path / "m")]
    assert main(merge) == 2
    assert f"({strange})" in capsys.readouterr().err
