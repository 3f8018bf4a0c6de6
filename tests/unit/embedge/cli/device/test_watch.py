import json
from pathlib import Path

import pytest

from embedge.cli import main

WATCH = ["watch", "tiny.embedge", "door.gallery"]


def test_a_bad_picture_is_a_line_and_watching_goes_on(
    gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("in")
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    (folder / "b.png").write_bytes(Path("1.png").read_bytes())
    (folder / "c.png").symlink_to(Path("0.png").resolve())
    assert main([*WATCH, "in", "--once"]) == 0
    bad, good = map(json.loads, capsys.readouterr().out.splitlines())
    assert bad["picture"] == "in/a.png"
    assert bad["error"].startswith("E-")
    assert (good["picture"], good["person"]) == ("in/b.png", "ben")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["absent"], "E-FOLDER"),
        ([""], "E-FOLDER"),
        (["0.png"], "E-FOLDER"),
        ([".", "--interval", "0"], "E-OPTION"),
    ],
)
def test_nothing_to_watch(
    arguments: list[str], code: str, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WATCH, *arguments, "--once"]) == 2
    assert f"embedge: {code}: " in capsys.readouterr().err
