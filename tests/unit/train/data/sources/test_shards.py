"""Tar shards, written here with tarfile as the webdataset layout asks."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from face_sets import encoded, face

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import CorruptRecord
from embedge.train.data.sources.shards import TarFaces, shard_paths


def write(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def shard(path: Path, people: list[int]) -> Path:
    files = {}
    for number, person in enumerate(people):
        files[f"{number:05d}.jpg"] = encoded(face(person % 5, number % 4))
        files[f"{number:05d}.cls"] = str(person).encode()
    return write(path, files)


def test_labels_and_pictures_over_shards(tmp_path: Path) -> None:
    paths = [shard(tmp_path / "a.tar", [0, 1, 1]), shard(tmp_path / "b.tar", [2, 0])]
    faces = TarFaces(paths)
    assert faces.labels.tolist() == [0, 1, 1, 2, 0]
    assert faces.identities == ("0", "1", "2")
    assert faces.record_name(3) == "b.tar:00000"
    for row, (person, number) in enumerate([(0, 0), (1, 1), (1, 2), (2, 0), (0, 1)]):
        assert np.abs(faces.read(row).astype(int) - face(person, number)).max() <= 3


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    faces = TarFaces([shard(tmp_path / "a.tar", [10, 9, 2])])
    assert faces.identities == ("2", "9", "10")
    assert faces.labels.tolist() == [2, 1, 0]


def test_json_labels_names_and_keys_with_folders_and_dots(tmp_path: Path) -> None:
    files = {
        "x/1.jpg": encoded(face(1, 0)),
        "x/1.json": json.dumps({"identity": "Ada", "label": 7}).encode(),
        "x/1.cls": b"7",
        "x/2.png": encoded(face(2, 0), "PNG"),
        "x/2.json": json.dumps({"label": 9}).encode(),
        "x/3.json": json.dumps({"label": 1}).encode(),
        "x/1.landmarks.npy": b"ignored",
    }
    faces = TarFaces([write(tmp_path / "a.tar", files)])
    assert faces.identities == ("9", "Ada")
    assert faces.labels.tolist() == [1, 0]
    assert np.array_equal(faces.read(1), face(2, 0))


def test_the_order_visits_each_once_a_few_shards_at_a_time(tmp_path: Path) -> None:
    paths = [shard(tmp_path / f"{n:02d}.tar", [0] * 5) for n in range(20)]
    faces = TarFaces(paths)
    order = faces.order(np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(100))
    shards = order // 5
    for window in range(0, 100, 40):
        assert len(set(shards[window : window + 40].tolist())) <= 8
    assert not np.array_equal(order, np.sort(order))
    assert not np.array_equal(order, faces.order(np.random.default_rng(1)))


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    faces = TarFaces([shard(tmp_path / "a.tar", [0, 1])])
    copy = pickle.loads(pickle.dumps(faces))
    assert np.array_equal(copy.read(1), faces.read(1))


def test_ranges_folders_and_files(tmp_path: Path) -> None:
    paths = [shard(tmp_path / f"faces-{n:03d}.tar", [0]) for n in range(3)]
    assert shard_paths(str(tmp_path / "faces-{000..002}.tar")) == paths
    assert shard_paths(str(tmp_path)) == paths
    assert shard_paths(str(paths[1])) == [paths[1]]
    with pytest.raises(EmbedgeError, match=r"E-DATA-MISSING.*1 of 4 shards"):
        shard_paths(str(tmp_path / "faces-{000..003}.tar"))


def test_pictures_without_labels_are_refused(tmp_path: Path) -> None:
    files = {"1.jpg": b"x", "2.jpg": b"x", "2.cls": b"0"}
    with pytest.raises(EmbedgeError, match=r"1 pictures have no label, the first is 1"):
        TarFaces([write(tmp_path / "a.tar", files)])


@pytest.mark.parametrize("label", [b"", b"Ada", b"{", b"[]"])
def test_labels_that_are_none(tmp_path: Path, label: bytes) -> None:
    for suffix in ("cls", "json"):
        files = {"1.jpg": b"x", f"1.{suffix}": label}
        with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*neither a number nor"):
            TarFaces([write(tmp_path / f"{suffix}.tar", files)])


def test_truncated_and_foreign_files_are_one_clear_error(tmp_path: Path) -> None:
    whole = shard(tmp_path / "a.tar", [0, 1, 2]).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:3000])
    (tmp_path / "zip.tar").write_bytes(b"PK\x03\x04" * 300)
    for name in ("cut.tar", "zip.tar"):
        with pytest.raises(EmbedgeError, match="E-DATA-FORMAT"):
            TarFaces([tmp_path / name])


def test_a_spoilt_picture_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", {"7.jpg": b"\xff\xd8\xff nothing", "7.cls": b"0"})
    with pytest.raises(CorruptRecord, match=r"a.tar:7: broken JPEG"):
        TarFaces([path]).read(0)


def test_a_shard_that_shrank_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [0, 1, 2])
    faces = pickle.loads(pickle.dumps(TarFaces([path])))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CorruptRecord, match="the shard ends within it"):
        faces.read(2)


def test_empty_shards(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-DATA-EMPTY"):
        TarFaces([write(tmp_path / "a.tar", {"readme.txt": b"hello"})])
