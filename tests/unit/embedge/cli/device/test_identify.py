import json
from pathlib import Path

import pytest

from embedge.cli import main

IDENTIFY = ["identify", "tiny.embedge", "door.gallery"]


def test_a_bad_picture_among_several_is_a_line_and_status_3(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.png").write_text("no picture")
    assert main([*IDENTIFY, "bad.png", "1.png", "--json"]) == 3
    refused, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert (refused["picture"], refused["error"][:2]) == ("bad.png", "E-")
    assert (found["picture"], found["person"]) == ("1.png", "ben")
    assert main([*IDENTIFY, "bad.png", "1.png"]) == 3
    assert capsys.readouterr().out.startswith(f"bad.png: REFUSED {refused['error']}: ")


def test_one_picture_under_two_names_is_ambiguous(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enroll", "tiny.embedge", "door.gallery", "twin", "1.png"]) == 0
    capsys.readouterr()
    assert main([*IDENTIFY, "1.png"]) == 0
    first, told, *_ = capsys.readouterr().out.splitlines()
    assert first == "1.png: AMBIGUOUS"
    assert told.startswith("  ben and twin are equally like it, so none of them was chosen")
    assert main([*IDENTIFY, "1.png", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["person"], found["tied"]) == (None, ["ben", "twin"])


def test_alone_it_is_an_error(gallery: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*IDENTIFY, "absent.png"]) == 2
    told = capsys.readouterr()
    assert (told.out, "absent.png" in told.err) == ("", True)


def test_a_mistake_of_all_pictures_is_told_once(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*IDENTIFY, "0.png", "1.png", "--artifact", "raw"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("E-THRESHOLD")) == ("", 1)
