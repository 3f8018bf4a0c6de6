"""Sentences say what is so."""

from dataclasses import replace

import pytest
from tiny_bundles import tiny_contract

from embedge import progress
from embedge.cli import main
from embedge.errors import EmbedgeError
from embedge.runtime.contract import require_same_space


def test_a_mistyped_command_is_answered_with_the_one_that_is_near(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for typed, told in (
        ("evalute", "did you mean `embedge evaluate`?"),
        ("zzz", "see `embedge --help`"),
    ):
        with pytest.raises(SystemExit):
            main([typed, "--models", "x"])
        assert f"there is no command '{typed}'" in (said := capsys.readouterr().err)
        assert told in said


def test_spaces_that_differ_in_dimensions_alone_are_told_by_them() -> None:
    one = tiny_contract(64)
    with pytest.raises(EmbedgeError, match="64 and 32 dimensions, both named"):
        require_same_space(one, replace(one, dim=32))


def test_more_work_than_foreseen_leaves_no_negative_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.Progress().task("rounds", 1) as task:
        task.advance(1)
        task.advance(6)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "  rounds: 1/1, about 0 s left"
    assert second == "  rounds: 7"
