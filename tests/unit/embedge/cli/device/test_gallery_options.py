import argparse
from pathlib import Path

import pytest

from embedge.cli import main
from embedge.cli.device.gallery_options import (
    add_gallery_options,
    add_search_option,
    opened_gallery,
    say,
)
from embedge.errors import EmbedgeError


def test_a_chosen_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("ann\nadmin", "ben\x1b[2J")
    told = capsys.readouterr().out
    assert len(told.splitlines()) == 2
    assert "\x1b" not in told


def test_a_key_file_goes_before_the_environment(gallery: Path) -> None:
    parser = argparse.ArgumentParser()
    add_gallery_options(parser)
    options = parser.parse_args([str(gallery)])
    with opened_gallery(options) as opened:
        assert opened.people() == ["ann", "ben"]
    other = Path("other.key")
    other.write_text("00" * 32)
    other.chmod(0o600)
    with pytest.raises(EmbedgeError, match="E-"):
        opened_gallery(parser.parse_args([str(gallery), "--key-file", str(other)]))


def test_only_two_searches_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_search_option(parser)
    assert parser.parse_args([]).search == "onnxruntime"
    with pytest.raises(SystemExit):
        parser.parse_args(["--search", "guess"])
    assert "invalid choice: 'guess'" in capsys.readouterr().err


def test_confirmed_without_anything_to_replace_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["identify", "no.embedge", "no.gallery", "no.png", "--confirmed", "ann"]) == 2
    assert "E-OPTION: --confirmed says who may replace" in capsys.readouterr().err
