import io
import os
from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, PEOPLE, encoded, face, face_folder
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.train.data.align.photos import found_photos
from embedge.train.data.dataset import CorruptRecord
from embedge.train.data.sources.folder import ImageFolder, PictureFolder


def test_people_and_pictures_in_order(tmp_path: Path) -> None:
    faces = ImageFolder(face_folder(tmp_path))
    assert faces.identities == tuple(f"p{n}" for n in range(PEOPLE))
    assert faces.labels.tolist() == [person for person in range(PEOPLE) for _ in range(EACH)]
    assert faces.record_name(6) == "p1/2.jpg"
    assert np.abs(faces.read(6).astype(int) - face(1, 2)).max() <= 3


def test_colours_come_out_as_rgb(tmp_path: Path) -> None:
    colours = np.zeros((112, 112, 3), np.uint8)
    colours[...] = (200, 100, 30)
    for form, name in (("JPEG", "a.jpg"), ("PNG", "b.png"), ("BMP", "c.bmp"), ("WEBP", "d.webp")):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_bytes(encoded(colours, form))
    faces = ImageFolder(tmp_path)
    for index in range(4):
        assert np.abs(faces.read(index)[56, 56].astype(int) - (200, 100, 30)).max() <= 4


def test_grey_jpegs_become_rgb(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.full((112, 112), 77, np.uint8)).save(buffer, "JPEG")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "grey.jpg").write_bytes(buffer.getvalue())
    assert (ImageFolder(tmp_path).read(0) == 77).all()


def test_stray_files_and_empty_folders_are_left_out(tmp_path: Path) -> None:
    face_folder(tmp_path)
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / "p0" / "notes.txt").write_text("hello")
    (tmp_path / "nobody").mkdir()
    faces = ImageFolder(tmp_path)
    assert len(faces) == PEOPLE * EACH
    assert faces.classes == PEOPLE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "cannot decode"),
        (encoded(face(0, 0))[:900], "broken JPEG"),
        (encoded(np.zeros((250, 250, 3), np.uint8)), "250×250 pixels, not an aligned"),
        (encoded(np.zeros((100, 112, 3), np.uint8), "PNG"), "112×100 pixels"),
    ],
)
def test_corrupt_pictures_are_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = face_folder(tmp_path) / "p1" / "1.jpg"
    path.write_bytes(content)
    faces = ImageFolder(tmp_path)
    with pytest.raises(CorruptRecord, match=f"p1/1.jpg.*{reason}"):
        faces.read(5)
    assert faces.read(6).shape == (112, 112, 3)


def test_a_picture_that_went_away(tmp_path: Path) -> None:
    faces = ImageFolder(face_folder(tmp_path))
    (tmp_path / "p1" / "1.jpg").unlink()
    with pytest.raises(CorruptRecord, match=r"p1/1.jpg.*No such file"):
        faces.read(5)


def test_the_fingerprint_follows_names_and_pictures(tmp_path: Path) -> None:
    one = ImageFolder(face_folder(tmp_path / "a")).fingerprint
    assert ImageFolder(face_folder(tmp_path / "b")).fingerprint == one
    (tmp_path / "b" / "p1" / "1.jpg").write_bytes(encoded(face(4, 4)))
    assert ImageFolder(tmp_path / "b").fingerprint != one
    (tmp_path / "a" / "p1").rename(tmp_path / "a" / "other")
    assert ImageFolder(tmp_path / "a").fingerprint != one


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-DATA-EMPTY"):
        ImageFolder(tmp_path)
    with pytest.raises(EmbedgeError, match="E-DATA-MISSING"):
        ImageFolder(tmp_path / "none")


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    (folder / "p1").rename(folder / os.fsdecode(b"Andr\xe9"))
    for opened in (ImageFolder, PictureFolder, found_photos):
        with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*UTF-8: Andr\\xe9/0\.jpg") as told:
            opened(folder)
        str(told.value).encode()
