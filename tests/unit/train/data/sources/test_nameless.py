from pathlib import Path

import numpy as np
import pytest
from face_sets import encoded

from embedge.errors import EmbedgeError
from embedge.train.data.open import nameless, open_faces
from embedge.train.data.splits import Regrouped


def written(root: Path, *names: str) -> Path:
    rng = np.random.default_rng(0)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(rng.integers(0, 255, (112, 112, 3)).astype(np.uint8)))
    return root


def test_pictures_at_any_depth_are_a_class_each(tmp_path: Path) -> None:
    root = written(tmp_path / "faces", "b.png", "a.jpg", "deep/er/c.jpg")
    (root / "notes.txt").write_text("no picture")
    faces = open_faces(nameless(str(root)))
    assert faces.identities == ("a.jpg", "b.png", "deep/er/c.jpg")
    assert faces.labels.tolist() == [0, 1, 2]
    assert faces.read(2).shape == (112, 112, 3)


def test_people_of_a_folder_are_forgotten_and_other_sources_stay(tmp_path: Path) -> None:
    root = written(tmp_path / "faces", "ann/1.jpg", "ann/2.jpg", "bob/1.jpg")
    assert open_faces(root).classes == 2
    assert open_faces(nameless(str(root))).classes == 3
    assert nameless("rendered:5x2") == "rendered:5x2"


def test_another_picture_is_another_fingerprint(tmp_path: Path) -> None:
    root = written(tmp_path / "faces", "a.jpg", "b.jpg")
    before = open_faces(nameless(str(root))).fingerprint
    written(root, "c.jpg")
    assert open_faces(nameless(str(root))).fingerprint != before


@pytest.mark.parametrize(("path", "code"), [("none", "E-DATA-MISSING"), ("empty", "E-DATA-EMPTY")])
def test_no_pictures(tmp_path: Path, path: str, code: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbedgeError) as found:
        open_faces(f"pictures:{tmp_path / path}")
    assert found.value.code == code


def test_regrouped_pictures_keep_their_places(tmp_path: Path) -> None:
    whole = open_faces(nameless(str(written(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg"))))
    some = Regrouped(whole, np.array([0, 2, 3]), np.array([0, 1, 0]))
    assert (len(some), some.classes) == (3, 2)
    assert np.array_equal(some.read(1), whole.read(2))
    assert sorted(some.order(np.random.default_rng(0)).tolist()) == [0, 1, 2]
    other = Regrouped(whole, np.array([0, 2, 3]), np.array([0, 1, 1]))
    assert some.fingerprint != other.fingerprint
