"""`embedge data align` without its command line: what is cut, refused, kept and resumed."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.detect import Choice
from embedge.runtime.picture.images import rgb_from_picture
from embedge.train.data import open_faces
from embedge.train.data.align import aligning
from embedge.train.data.align.aligning import LANDMARKS, REFUSED, SHEET, align
from embedge.train.data.align.cutting import Cutter, Cutting
from embedge.train.data.align.photos import found_photos

SIDE = 128
POINTS = np.array(ARCFACE_112) + 8
QUIET = Progress(quiet=True)


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """Finds one face at one place in a picture of 128 pixels a side."""
    planted = (np.array([10.0, 10, 120, 120]), POINTS, 0.9)
    path = tmp_path / "detector.onnx"
    path.write_bytes(constant_onnx(scrfd_outputs([planted])))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for person in range(3):
        (root / f"p{person}").mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(face_like(10 * person + number, SIDE))
            picture.save(root / f"p{person}" / f"{number}.png")
    return root


def cutting(photos: Path, detector: Path, **changes: object) -> Cutting:
    usual = Cutting(photos, detector, Choice.ONE.value, SIDE, least_eyes=12, side=112)
    return replace(usual, **changes)  # type: ignore[arg-type]


def table(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"][1:]


def test_a_training_can_read_what_comes_out(photos: Path, detector: Path, tmp_path: Path) -> None:
    (photos / "p1" / "1.png").write_bytes(b"spoilt")
    (photos / "p1" / "notes.txt").write_text("no photo")
    (photos / "loose.png").write_bytes((photos / "p0" / "0.png").read_bytes())
    done = align(cutting(photos, detector), tmp_path / "out", QUIET)
    faces = open_faces(done.folder)
    assert (len(faces), faces.identities) == (5, ("p0", "p1", "p2"))
    expected = face_like(0, SIDE)[8:120, 8:120]
    assert np.abs(faces.read(0).astype(int) - expected).max() < 12  # a JPEG's loss
    assert [(cut.photo, cut.code) for cut in done.refused] == [("p1/1.png", "E-IMAGE")]
    assert table(done.folder / REFUSED)[0][:2] == ["p1/1.png", "E-IMAGE"]
    assert done.photos.passed_over == ("p1/notes.txt", "loose.png")
    rows = table(done.folder / LANDMARKS)
    assert [row[1] for row in rows] == ["p0/0.png", "p0/1.png", "p1/0.png", "p2/0.png", "p2/1.png"]
    assert np.allclose(np.array(rows[0][3:], float).reshape(5, 2), POINTS, atol=0.02)
    with Image.open(done.folder / SHEET) as sheet:
        assert sheet.size == (5 * 112, 112)
    assert sorted(path.name for path in done.folder.iterdir()) == sorted(
        ["p0", "p1", "p2", LANDMARKS, REFUSED, SHEET]
    )
    assert not done.folder.with_name("out.part").exists()


def test_a_stopped_alignment_goes_on_where_it_was(
    photos: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    whole = Cutter.cut

    def stops(self: Cutter, photo: object) -> object:
        seen.append(photo.name)  # type: ignore[attr-defined]
        if len(seen) == 4:
            raise KeyboardInterrupt
        return whole(self, photo)  # type: ignore[arg-type]

    monkeypatch.setattr(Cutter, "cut", stops)
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        align(cutting(photos, detector), target, QUIET)
    assert not target.exists()
    with (target.with_name("out.part") / "cuts.jsonl").open("a") as journal:
        journal.write('{"photo": "torn')
    changed = photos / "p0" / "0.png"
    os.utime(changed, ns=(1, 1))
    with pytest.raises(EmbedgeError, match="E-ALIGN-OTHER"):
        align(cutting(photos, detector, choice="largest"), target, QUIET)
    done = align(cutting(photos, detector), target, QUIET)
    assert done.reused == 2
    assert seen[4:] == ["p0/0.png", "p1/1.png", "p2/0.png", "p2/1.png"]
    once = align(cutting(photos, detector), tmp_path / "once", QUIET)
    for name in (LANDMARKS, REFUSED, SHEET, "p1/0.jpg"):
        assert (done.folder / name).read_bytes() == (once.folder / name).read_bytes()


def test_several_processes_cut_the_same(photos: Path, detector: Path, tmp_path: Path) -> None:
    one = align(cutting(photos, detector), tmp_path / "one", QUIET)
    two = align(cutting(photos, detector), tmp_path / "two", QUIET, processes=2)
    for path in one.folder.rglob("*.*"):
        assert path.read_bytes() == (two.folder / path.relative_to(one.folder)).read_bytes()


def test_exif_turns_the_photo_first(detector: Path, tmp_path: Path) -> None:
    upright = Image.fromarray(face_like(3, SIDE))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    for root, picture, tag in (("a", upright, None), ("b", turned, exif)):
        (tmp_path / root).mkdir()
        picture.save(tmp_path / root / "x.png", exif=tag)
        align(cutting(tmp_path / root, detector), tmp_path / f"{root}-out", QUIET)
    faces = [(tmp_path / f"{root}-out" / "faces" / "x.jpg").read_bytes() for root in "ab"]
    assert faces[0] == faces[1]


def test_small_faces_are_refused_with_their_size(
    photos: Path, detector: Path, tmp_path: Path
) -> None:
    with pytest.raises(EmbedgeError, match=r"E-ALIGN-NONE.*face-too-small: eyes 35 pixels apart"):
        align(cutting(photos, detector, least_eyes=40.0), tmp_path / "out", QUIET)


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        ("E-DATA-EXISTS", lambda photos, detector: photos.with_name("out").mkdir()),
        ("E-DETECTOR", lambda photos, detector: detector.unlink()),
        ("E-DATA-MISSING", lambda photos, detector: photos.rename(photos.with_name("gone"))),
    ],
)
def test_what_cannot_begin(
    code: str, spoil: object, photos: Path, detector: Path, tmp_path: Path
) -> None:
    spoil(photos, detector)  # type: ignore[operator]
    with pytest.raises(EmbedgeError, match=code):
        align(cutting(photos, detector), tmp_path / "out", QUIET)
    assert not (tmp_path / "out.part").exists()


def test_names_that_would_meet_get_numbers(tmp_path: Path) -> None:
    for name in ("p/a.jpg", "p/a.png", "p/sub/a.jpg", "p/sub_a.jpg", "q/A.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    crops = [photo.crop for photo in found_photos(tmp_path).photos]
    assert crops == ["p/a.jpg", "p/a-2.jpg", "p/sub_a.jpg", "p/sub_a-2.jpg", "q/A.jpg"]


def test_a_process_that_dies_is_named(
    photos: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aligning, "ready", os._exit)  # pickled by name: it ends the process
    with pytest.raises(EmbedgeError, match=r"E-ALIGN-PROCESS.* ended without a word \("):
        align(cutting(photos, detector), tmp_path / "out", QUIET, processes=2)


def test_networks_of_another_size_get_faces_of_theirs(
    photos: Path, detector: Path, tmp_path: Path
) -> None:
    done = align(cutting(photos, detector, side=160), tmp_path / "out", QUIET)
    small = align(cutting(photos, detector), tmp_path / "small", QUIET)
    crops = sorted(done.folder.glob("p*/*.jpg"))
    assert len(crops) == 6
    for crop in crops:
        face, other = (
            rgb_from_picture(one.folder / crop.relative_to(done.folder)) for one in (done, small)
        )
        assert face.shape == (160, 160, 3)
        shrunk = np.asarray(Image.fromarray(face).resize((112, 112)), np.float64)
        assert np.abs(shrunk - other).mean() < 6
