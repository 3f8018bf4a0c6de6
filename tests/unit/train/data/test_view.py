"""A side of a data set that stays in its place, and pictures that are decoded when asked for."""

from pathlib import Path

import numpy as np
import pytest
from face_sets import encoded, face, face_folder

from embedge.errors import EmbedgeError
from embedge.train.data.open import open_faces
from embedge.train.data.view import View


def views(root: Path) -> list[Path]:
    source = face_folder(root / "faces")
    whole = open_faces(source)
    folders = []
    for side in ("learn", "held-out"):
        View(str(source), side, 2, 0, 3, whole.fingerprint).save(root / side)
        folders.append(root / side)
    return folders


def test_both_sides_open_as_data_sets(tmp_path: Path) -> None:
    learn, out = map(open_faces, views(tmp_path))
    assert (learn.classes, out.classes) == (3, 2)
    assert set(learn.identities).isdisjoint(out.identities)
    assert (len(learn), len(out)) == (9, 6)


def test_a_set_that_changed_is_refused(tmp_path: Path) -> None:
    folder, _ = views(tmp_path)
    (tmp_path / "faces" / "p0" / "new.jpg").write_bytes(encoded(face(0, 0)))
    with pytest.raises(EmbedgeError, match="E-DATA-CHANGED"):
        open_faces(folder)


def test_a_broken_note_is_one_clear_error(tmp_path: Path) -> None:
    for text in ("", "{}", "[1]"):
        (tmp_path / "view.json").write_text(text)
        with pytest.raises(EmbedgeError, match="E-DATA-FORMAT"):
            open_faces(tmp_path)


def test_pictures_are_indexed_like_an_array(tmp_path: Path) -> None:
    faces = open_faces(face_folder(tmp_path))
    everything = np.stack([faces.read(index) for index in range(len(faces))])
    images = faces.images
    assert images.shape == everything.shape
    assert np.array_equal(images[3], everything[3])
    assert np.array_equal(images[-1], everything[-1])
    assert np.array_equal(images[2:9:3], everything[2:9:3])
    assert np.array_equal(images[[5, 1]], everything[[5, 1]])
    assert np.array_equal(images[faces.labels == 2], everything[faces.labels == 2])
    assert images[0:0].shape == (0, 112, 112, 3)


def test_too_many_corrupt_pictures_stop_it(tmp_path: Path) -> None:
    root = face_folder(tmp_path)
    for person in range(3):
        for number in range(2):
            (root / f"p{person}" / f"{number}.jpg").write_bytes(b"spoilt")
    with pytest.raises(EmbedgeError, match="E-DATA-CORRUPT"):
        open_faces(root).images[:]
