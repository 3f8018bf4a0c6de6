"""What a training shows: a growing table on a terminal, lines elsewhere."""

import io
import re

import pytest
from rich.console import Console

from embedge.live import LiveTable
from embedge.progress import Progress


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=40)


def test_the_table_ends_with_the_last_rows_and_every_column() -> None:
    console = terminal()
    with LiveTable("training student", 30, console=console) as table:
        for step in range(10, 40):
            table.advance()
            table.row({"step": str(step), "loss": f"{step / 7:.3f}"})
        table.row({"step": "40", "loss": "0.100", "eer": "3.25 %"})
    assert isinstance(console.file, io.StringIO)
    last = console.file.getvalue().rpartition("training student")[2]
    assert "30/30" in last
    for text in ("eer", "3.25 %", "0.100", "39", "33"):
        assert text in last
    assert "32 " not in last, "older rows make room"


def test_a_log_has_no_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedge.progress._SECONDS_BETWEEN_LINES", 0.0)
    with Progress().table("training student", 4) as task:
        task.advance(1, "loss 1.5")
        task.row({"step": "1", "loss": "1.5"})
    said = capsys.readouterr().err
    assert "training student: 1/4" in said
    assert said.count("\n") == 1


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True).table("training student", 4) as task:
        task.advance(4, "loss 1.5")
        task.row({"step": "4"})
    assert capsys.readouterr().err == ""


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=100, color_system="truecolor")
        with LiveTable("student", total=9, console=console) as table:
            table.advance(3)
        shown[value] = re.findall(r"\x1b\[[\d;]*(?:3\d|38;)[\d;]*m", out.getvalue())
    assert shown[""]
    assert not shown["1"]
