import json
from pathlib import Path

import pytest
from PIL import Image

from embedge.cli import main

ENROLL = ["enroll", "tiny.embedge", "door.gallery"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nobody to enrol"),
        (["ann"], "there is nobody to enrol"),
        (["ann", "--folder", "people"], "a name was given beside --folder or --csv"),
    ],
)
def test_who_is_meant_is_asked_before_the_bundle(
    arguments: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tiny.embedge/manifest.json").unlink()
    assert main([*ENROLL, *arguments]) == 2
    assert f"E-PERSON: {message}" in capsys.readouterr().err
    assert not Path("door.gallery").exists()


def test_of_many_each_picture_has_its_outcome(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.png").write_text("no picture")
    Path("who.csv").write_text("0.png,ann\n0.png,ann\nbad.png,ben\n1.png,two\\nlines\n1.png, \n")
    assert main([*ENROLL, "--csv", "who.csv", "--json"]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, again, *others = lines
    assert first["record"] == again["record"] != others[1]["record"] is not None
    refusals = [line["refused"] and line["refused"].split(":")[0] for line in lines]
    assert refusals[:2] == [None, None]
    assert refusals[3:] == [None, "E-PERSON"]
    assert refusals[2].startswith("E-")


def test_an_empty_file_is_a_creation_that_was_interrupted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("new.gallery")
    file.touch()
    monkeypatch.setenv("EMBEDGE_GALLERY_KEY", "5a" * 32)
    assert main(["enroll", "tiny.embedge", "new.gallery", "ann", "0.png"]) == 0
    assert main(["enroll", "tiny.embedge", "new.gallery", "ben", "1.png"]) == 0
    file.write_bytes(b"x")
    assert main(["enroll", "tiny.embedge", "new.gallery", "ann", "0.png"]) == 2
    assert file.read_bytes() == b"x"


@pytest.mark.parametrize("more", [["ann", "0.png"], ["--csv", "who.csv"]])
def test_no_key_is_not_asked_for_beside_a_key(
    more: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("who.csv").write_text("0.png,ann\n")
    assert main([*ENROLL, *more, "--unencrypted"]) == 2
    told = capsys.readouterr().err
    assert "E-KEY: --unencrypted asks for" in told
    assert "EMBEDGE_GALLERY_KEY gives one" in told
    assert not Path("door.gallery").exists()


def test_one_picture_under_two_names_is_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ENROLL, "ann", "0.png"]) == 0
    assert main([*ENROLL, "cem", "1.png"]) == 0
    assert "share one picture" not in capsys.readouterr().err
    assert main([*ENROLL, "ben", "0.png"]) == 0
    assert "embedge: ben and ann share one picture" in capsys.readouterr().err
    Path("who.csv").write_text("2.png,dan\n2.png,eva\n")
    assert main([*ENROLL, "--csv", "who.csv"]) == 0
    assert "share one picture" in capsys.readouterr().err


def test_a_near_copy_under_another_name_is_told_and_enrolled(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Image.open("0.png") as picture:
        picture.save("again.jpg", quality=90)
    assert main([*ENROLL, "eve", "again.jpg", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["matches"] == ["ann"]
    assert told.err == "embedge: the face of eve matches 'ann' already\n"
    assert main([*ENROLL, "cid", "2.png", "--json"]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)["matches"], told.err) == ([], "")
    Path("who.csv").write_text("again.jpg,fay\n2.png,cid\n")
    assert main([*ENROLL, "--csv", "who.csv", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["matches"]
    assert lines[1]["matches"] == []


def test_a_picture_may_come_after_an_option(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ENROLL, "ann", "--rows", "int8", "0.png", "--json", "1.png"]) == 0
    assert len(json.loads(capsys.readouterr().out)["records"]) == 2
    with pytest.raises(SystemExit):
        main([*ENROLL, "ann", "--rws", "int8", "0.png"])
    assert "--rws int8 0.png; did you mean --rows?" in capsys.readouterr().err


def test_of_a_folder_each_link_to_nothing_has_its_refusal(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("people/ann").mkdir(parents=True)
    Path("0.png").rename("people/ann/0.png")
    Path("people/ann/1.png").symlink_to("gone.png")
    Path("people/ann/2.png").symlink_to("2.png")
    assert main([*ENROLL, "--folder", "people", "--json"]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [bool(line["refused"]) for line in lines] == [False, True, True]
