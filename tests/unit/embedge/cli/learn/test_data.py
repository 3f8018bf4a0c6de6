import json
from pathlib import Path

import pytest
from face_sets import EACH, PEOPLE, face_folder

from embedge.cli import main
from embedge.train.data import open_faces


def test_a_folder_is_inspected_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", str(face_folder(tmp_path)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert PEOPLE * EACH in found.values()


def test_a_corrupt_record_ends_a_check_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face_folder(tmp_path)
    assert main(["data", "verify", str(tmp_path)]) == 0
    (tmp_path / "p1" / "2.jpg").write_bytes(b"\xff\xd8\xff no picture")
    assert main(["data", "verify", str(tmp_path)]) == 3
    assert "p1/2.jpg" in capsys.readouterr().out


def test_a_conversion_splits_by_identity(tmp_path: Path) -> None:
    source, target = face_folder(tmp_path / "faces"), tmp_path / "out"
    arguments = ["--to", "pixels", "--held-out", "0.4"]
    assert main(["data", "convert", str(source), str(target), *arguments]) == 0
    sides = [open_faces(target / side) for side in ("learn", "held-out")]
    assert sorted(sides[0].identities + sides[1].identities) == [f"p{n}" for n in range(PEOPLE)]
    assert [len(side) for side in sides] == [EACH * side.classes for side in sides]
    assert all(side.classes for side in sides)


@pytest.mark.parametrize("quality", ["0", "101", "high"])
def test_a_quality_is_a_number_from_1_to_100(
    quality: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["data", "convert", "a", "b", "--to", "folder", "--quality", quality])
    assert "give a number from 1 to 100" in capsys.readouterr().err
