"""Corrupt records are counted, named and passed over; batches do not depend on who reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from face_sets import face_folder
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batches
from embedge.train.data.feeding.feed import feed
from embedge.train.data.feeding.pictures import CorruptLog, read_faces
from embedge.train.data.sources.folder import ImageFolder


def spoilt(root: Path, names: list[str]) -> ImageFolder:
    face_folder(root)
    for name in names:
        (root / name).write_bytes(b"spoilt")
    return ImageFolder(root)


def test_another_picture_of_the_same_person_stands_in(tmp_path: Path) -> None:
    faces = spoilt(tmp_path, ["p1/3.jpg", "p1/2.jpg"])
    read = read_faces(faces, np.array([0, 7, 6]))
    assert read.index.tolist() == [0, 4, 4]
    assert np.array_equal(read.images[1], faces.read(4))
    assert {error.name for error in read.corrupt} == {"p1/3.jpg", "p1/2.jpg"}


def test_where_a_person_is_wholly_unreadable_the_next_one_stands_in(tmp_path: Path) -> None:
    faces = spoilt(tmp_path, [f"p4/{n}.jpg" for n in range(4)])
    assert read_faces(faces, np.array([17])).index.tolist() == [0]


def test_each_is_counted_once_and_too_many_stop(tmp_path: Path) -> None:
    names = [f"p{person}/{n}.jpg" for person in range(3) for n in range(2)]
    faces = spoilt(tmp_path, names)
    log = CorruptLog(faces, share=0.3)
    assert log.bound == 6
    everything = np.arange(len(faces))
    assert len(log.add(read_faces(faces, everything).corrupt)) == 6
    assert log.add(read_faces(faces, everything).corrupt) == []
    strict = CorruptLog(faces, share=0.0)
    with pytest.raises(EmbedgeError, match=r"E-DATA-CORRUPT: 6 of 20 records.*p0/0.jpg"):
        strict.add(read_faces(faces, everything).corrupt)


def test_nothing_readable_at_all_stops_at_once(tmp_path: Path) -> None:
    names = [f"p{person}/{n}.jpg" for person in range(5) for n in range(4)]
    with pytest.raises(EmbedgeError, match="E-DATA-CORRUPT: no record near it"):
        read_faces(spoilt(tmp_path, names), np.array([3]))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_do_not_change_the_batches(tmp_path: Path, workers: int) -> None:
    faces = spoilt(tmp_path, ["p1/3.jpg"])
    batches = Batches(faces, 6, seed=3, flip=True)
    said: list[str] = []
    alone = list(feed(batches, 2, 9, workers=0, say=said.append))
    fed = list(feed(Batches(faces, 6, seed=3, flip=True), 2, 9, workers=workers, say=said.append))
    assert len(alone) == len(fed) == 7
    for one, other in zip(alone, fed):
        for field in ("images", "labels", "index", "flipped"):
            assert torch.equal(getattr(one, field), getattr(other, field))
    assert len([line for line in said if "p1/3.jpg" in line]) == 2  # once for each feed


@pytest.mark.parametrize("workers", [0, 1])
def test_the_bound_reaches_the_user_from_a_worker(tmp_path: Path, workers: int) -> None:
    names = [f"p{person}/{n}.jpg" for person in range(5) for n in range(4)]
    batches = Batches(spoilt(tmp_path, names), 4, seed=0)
    with pytest.raises(EmbedgeError, match="E-DATA-CORRUPT"):
        list(feed(batches, 0, 2, workers=workers, say=print))


def test_a_mapped_face_set_travels_as_its_path(tmp_path: Path) -> None:
    import pickle

    from face_sets import face_set

    face_set().save(tmp_path)
    faces = FaceSet.load(tmp_path)
    data = pickle.dumps(faces)
    assert len(data) < 10_000
    assert np.array_equal(pickle.loads(data).images, faces.images)


def test_every_picture_once_an_epoch(tmp_path: Path) -> None:
    batches = Batches(ImageFolder(face_folder(tmp_path)), 6, seed=1)
    seen = torch.cat([batches.at(step).index for step in range(10)])  # three epochs of 20
    for epoch in range(3):
        assert sorted(seen[20 * epoch : 20 * epoch + 20].tolist()) == list(range(20))


def test_photos_are_told_from_corrupt_records(tmp_path: Path) -> None:
    """One wrong picture is a corrupt record; a folder of photos is another mistake."""
    for person in range(2):
        (tmp_path / f"p{person}").mkdir()
        for number in range(4):
            photo = Image.fromarray(np.zeros((250, 200, 3), np.uint8))
            photo.save(tmp_path / f"p{person}" / f"{number}.jpg")
    with pytest.raises(EmbedgeError) as caught:
        np.asarray(ImageFolder(tmp_path).images[:])
    assert caught.value.code == "E-NOT-ALIGNED"
    assert "p0/0.jpg: 200×250 pixels" in caught.value.what
    assert "embedge data align" in caught.value.remedy
