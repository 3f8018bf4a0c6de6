import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.cli import main
from embedge.runtime.contract import ARCFACE_112

POINTS = np.array(ARCFACE_112) + 8


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    face = (np.array([10.0, 10, 120, 120]), POINTS, 0.9)
    Path("one.onnx").write_bytes(constant_onnx(scrfd_outputs([face])))
    other = (np.array([40.0, 60, 70, 100]), POINTS / 3 + 40, 0.8)
    Path("two.onnx").write_bytes(constant_onnx(scrfd_outputs([face, other])))
    for person in range(2):
        Path(f"photos/p{person}").mkdir(parents=True)
        Image.fromarray(face_like(person, 128)).save(f"photos/p{person}/a.png")
    return tmp_path


def test_the_outcome_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/p1/b.png").write_bytes(b"spoilt")
    call = ["data", "align", "photos", "out", "--detector", "one.onnx", "--processes", "1"]
    assert main([*call, "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: 2 faces of 2 people"
    assert lines[1] == "  refused 1: E-IMAGE 1; all in out/refused.tsv"
    assert lines[2].startswith("    p1/b.png: E-IMAGE: cannot decode the picture")
    assert lines[-1] == "  2 of them to look at: out/contact-sheet.jpg"


def test_json_and_several_faces(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["data", "align", "photos", "--detector", "two.onnx", "--processes", "1", "--quiet"]
    assert main([*call, "none"]) == 2
    assert "E-ALIGN-NONE" in capsys.readouterr().err
    assert not Path("none.part").exists()
    assert main([*call, "out", "--face", "largest", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["faces"], record["people"], record["refused"]) == (2, 2, [])


def test_people_of_whom_no_face_was_kept_are_not_counted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos/p1/a.png").write_bytes(b"spoilt")
    call = ["data", "align", "photos", "out", "--detector", "one.onnx", "--processes", "1"]
    assert main([*call, "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("out: 1 face of 1 person\n")
