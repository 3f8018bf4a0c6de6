from pathlib import Path

import numpy as np
import pytest
from face_sets import EACH, face_folder, face_set

from embedge.errors import EmbedgeError
from embedge.train.data import open_faces
from embedge.train.data.dataset import CorruptRecord, FaceSet
from embedge.train.data.splits import Subset, split_by_identity


def people(count: int, prefix: str = "person") -> FaceSet:
    images = np.zeros((2 * count, 112, 112, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(2 * count)
    names = tuple(f"{prefix} {n}" for n in range(count))
    return FaceSet("many", images, np.repeat(np.arange(count), 2), names, f"print-{count}")


def test_nobody_is_on_both_sides_and_nobody_is_lost() -> None:
    faces = people(100)
    learn, out = split_by_identity(faces, 0.3)
    assert set(learn.identities).isdisjoint(out.identities)
    assert set(learn.identities) | set(out.identities) == set(faces.identities)
    assert len(learn) + len(out) == len(faces)
    assert 15 < out.classes < 45


def test_labels_are_dense_and_pictures_follow() -> None:
    faces = people(60)
    _, out = split_by_identity(faces, 20)
    assert out.classes == 20
    assert np.unique(out.labels).tolist() == list(range(20))
    for row in range(len(out)):
        original = int(out.read(row)[0, 0, 0])
        assert faces.identities[faces.labels[original]] == out.identities[out.labels[row]]


def test_new_people_do_not_move_those_held_out() -> None:
    before = set(split_by_identity(people(50), 0.3)[1].identities)
    after = set(split_by_identity(people(120), 0.3)[1].identities)
    assert before <= after


def test_the_seed_decides() -> None:
    faces = people(100)
    assert (
        split_by_identity(faces, 0.3)[1].identities == split_by_identity(faces, 0.3)[1].identities
    )
    other = split_by_identity(faces, 0.3, seed=1)[1]
    assert other.identities != split_by_identity(faces, 0.3)[1].identities


@pytest.mark.parametrize("held_out", [0.0, 1.0, 0, 5, 1.5])
def test_an_empty_side_is_refused(held_out: float) -> None:
    with pytest.raises(EmbedgeError, match="E-DATA-SPLIT"):
        split_by_identity(face_set(), held_out)


def test_fingerprints_of_parts_differ() -> None:
    faces = people(100)
    learn, out = split_by_identity(faces, 0.5)
    assert len({faces.fingerprint, learn.fingerprint, out.fingerprint}) == 3


def test_a_subset_visits_each_of_its_pictures_once() -> None:
    subset = Subset.of_labels(face_set(), np.array([1, 3]), "odd")
    order = subset.order(np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(8))
    assert subset.identities == ("p1", "p3")


def test_at_most_so_many_of_each() -> None:
    faces = face_set()
    uneven = Subset(faces, np.array([0, 4, 5, 6, 8, 9, 10, 11]), "uneven")
    capped = uneven.first_of_each(2)
    assert capped.rows.tolist() == [0, 4, 5, 8, 9]
    assert capped.labels.tolist() == [0, 1, 1, 2, 2]
    assert capped.fingerprint != uneven.fingerprint


def test_a_spoilt_record_has_its_number_in_the_part(tmp_path: Path) -> None:
    folder = face_folder(tmp_path / "faces")
    part = Subset.of_labels(open_faces(folder), np.array([1, 3]), "part")
    (folder / "p3" / "2.jpg").unlink()
    row = EACH + 2
    for asked in (part.read, part.encoded):
        with pytest.raises(CorruptRecord) as caught:
            asked(row)
        assert (caught.value.index, caught.value.name) == (row, "p3/2.jpg")
