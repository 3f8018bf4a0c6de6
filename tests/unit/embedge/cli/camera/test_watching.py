import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_cv2 import fake_cv2
from tiny_bundles import face_like, tiny_bundle
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.cli import main
from embedge.runtime import FaceMatcher, Gallery
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.gallery.keys import KEY_VARIABLE


def scene(seed: int) -> np.ndarray:
    """A picture in which the detector of these tests finds its one face."""
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[8:120, 8:120] = face_like(seed)
    return picture


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A door that knows ann, and a camera before which ann stands, then a stranger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, "5a" * 32)
    planted = (np.array([10.0, 10, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    Path("detector.onnx").write_bytes(constant_onnx(scrfd_outputs([planted])))
    tiny_bundle(Path("tiny.embedge"))
    with (
        FaceMatcher.load("tiny.embedge", aligned=True) as matcher,
        Gallery.create(Path("door.gallery"), matcher.contract, key=bytes.fromhex("5a" * 32)) as new,
    ):
        new.enroll(["ann"], matcher.embed([face_like(1)]), matcher.contract)
    frames = [*[scene(1)] * 6, *[scene(2)] * 9]
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(frames))
    Path("door.mp4").write_bytes(b"")
    return tmp_path


WATCH = ["watch", "tiny.embedge", "door.gallery", "--camera", "door.mp4"]
SEES = [*WATCH, "--detector", "detector.onnx"]


def test_each_is_told_once_and_acted_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("act.py").write_text(
        "import sys; open('acted.jsonl', 'a').write(sys.stdin.read() + chr(10))"
    )
    assert main([*SEES, "--run", f"{sys.executable} act.py"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["event"], one["person"], one["time"]) for one in lines] == [
        ("person", "ann", 0.2),
        ("stranger", None, 1.0),
    ]
    assert [json.loads(line) for line in Path("acted.jsonl").read_text().splitlines()] == lines


def test_a_failing_command_is_a_line_of_its_own(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEES, "--run", f"{sys.executable} -c 'raise SystemExit(4)'"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(line.get("error") == "E-ACTION" for line in lines) == 2


def test_a_gallery_that_is_away_for_a_moment_and_frames_that_are_none(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def frames() -> Iterator[np.ndarray]:
        Path("door.gallery").rename("away")
        yield from [scene(2)] * 3
        Path("away").rename("door.gallery")
        yield np.zeros((4, 4, 3), np.uint16)
        yield np.zeros((0, 4, 3), np.uint8)
        yield np.zeros(4, np.uint8)
        yield from [scene(1)] * 6

    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(frames()))
    assert main(SEES) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    *codes, found = [line.get("error") or line["person"] for line in lines]
    assert codes == ["E-GALLERY-MISSING", *["E-IMAGE-ARRAY"] * 3]
    assert found == "ann"


def test_a_policy_that_no_frame_can_meet_ends_it_at_the_start(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEES, "--policy", "nist-800-63b", "--threshold", "0.5"]) == 2
    assert "E-OPERATING-POINT" in capsys.readouterr().err


def test_every_other_frame_and_a_threshold_of_ones_own(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SEES, "--every", "2", "--agree", "1", "--among", "1", "--threshold", "-0.9"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["person"] for line in lines} == {"ann"}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (WATCH, "E-NOT-ALIGNED"),
        (["watch", "tiny.embedge", "door.gallery", "door.mp4"], "E-FOLDER"),
        ([*SEES, "--agree", "9"], "E-OPTION"),
        ([*SEES, "--webhook", "ftp://door"], "E-OPTION"),
        ([*SEES, "--webhook", "http://[bad"], "E-OPTION"),
        ([*SEES, "--run", "it's"], "E-OPTION"),
        ([*SEES[:4], "absent.mp4"], "E-CAMERA"),
    ],
)
def test_mistakes(
    call: list[str], code: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 2
    assert f"embedge: {code}: " in capsys.readouterr().err
