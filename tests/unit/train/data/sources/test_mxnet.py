"""insightface's record files, written here by hand as insightface writes them."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from face_sets import encoded, face

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import CorruptRecord
from embedge.train.data.sources import mxnet
from embedge.train.data.sources.mxnet import MxnetFaces

LABELS = [0, 0, 1, 2, 2, 2]


def frame(record: bytes) -> bytes:
    padding = bytes(-len(record) % 4)
    return struct.pack("<II", 0xCED7230A, len(record)) + record + padding


def picture_record(label: float, number: int, picture: bytes, array: bool) -> bytes:
    if array:
        head = struct.pack("<IfQQ", 2, 0.0, number, 0) + struct.pack("<ff", label, 0.5)
    else:
        head = struct.pack("<IfQQ", 0, label, number, 0)
    return head + picture


def write(
    folder: Path,
    *,
    array: bool = False,
    head: bool = True,
    index: bool = True,
    stated: int | None = 3,
    labels: list[int] = LABELS,
) -> Path:
    folder.mkdir(exist_ok=True)
    records = []
    if head:
        first = len(labels) + 1
        records.append(struct.pack("<IfQQ", 2, 0.0, 0, 0) + struct.pack("<ff", first, first + 3))
    records += [
        picture_record(label, number, encoded(face(label % 5, number % 4)), array)
        for number, label in enumerate(labels, 1)
    ]
    if head:
        for person in range(3):
            span = [i for i, label in enumerate(labels, 1) if label == person]
            ends = (min(span, default=1), max(span, default=0) + 1)
            records.append(struct.pack("<IfQQ", 2, 0.0, person, 0) + struct.pack("<ff", *ends))
    data, lines = b"", []
    for key, record in enumerate(records, 0 if head else 1):
        lines.append(f"{key}\t{len(data)}\n")
        data += frame(record)
    (folder / "train.rec").write_bytes(data)
    if index:
        (folder / "train.idx").write_text("".join(lines))
    if stated is not None:
        (folder / "property").write_text(f"{stated},112,112\n")
    return folder / "train.rec"


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("index", [False, True])
def test_labels_and_pictures(tmp_path: Path, array: bool, head: bool, index: bool) -> None:
    faces = MxnetFaces(write(tmp_path, array=array, head=head, index=index))
    assert faces.labels.tolist() == LABELS
    assert faces.identities == ("0", "1", "2")
    for row, label in enumerate(LABELS):
        difference = faces.read(row).astype(int) - face(label, (row + 1) % 4)
        assert np.abs(difference).max() <= 3


def test_classes_without_pictures_keep_their_labels(tmp_path: Path) -> None:
    faces = MxnetFaces(write(tmp_path, stated=10, labels=[1, 1, 4]))
    assert faces.labels.tolist() == [1, 1, 4]
    assert faces.classes == 10


def test_without_a_stated_count_labels_are_made_dense(tmp_path: Path) -> None:
    faces = MxnetFaces(write(tmp_path, stated=None, labels=[3, 9, 9]))
    assert faces.labels.tolist() == [0, 1, 1]
    assert faces.identities == ("3", "9")


def test_an_index_out_of_order(tmp_path: Path) -> None:
    path = write(tmp_path)
    index = path.with_suffix(".idx")
    index.write_text("\n".join(reversed(index.read_text().splitlines())))
    faces = MxnetFaces(path)
    assert sorted(faces.labels.tolist()) == LABELS
    for row, label in enumerate(faces.labels.tolist()):
        assert abs(faces.read(row).mean() - face(label, 0).mean()) < 30


def test_it_travels_to_other_processes_as_a_path(tmp_path: Path) -> None:
    faces = MxnetFaces(write(tmp_path))
    size = len(pickle.dumps(faces))
    copy = pickle.loads(pickle.dumps(faces))
    assert size < (tmp_path / "train.rec").stat().st_size
    assert np.array_equal(copy.read(3), faces.read(3))


def test_the_fingerprint_follows_the_pictures(tmp_path: Path) -> None:
    one = MxnetFaces(write(tmp_path / "a")).fingerprint
    assert MxnetFaces(write(tmp_path / "b")).fingerprint == one
    assert MxnetFaces(write(tmp_path / "c", labels=[0, 0, 1, 2, 2, 1])).fingerprint != one
    path = write(tmp_path / "d")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert MxnetFaces(path).fingerprint != one


def offsets(path: Path) -> list[int]:
    return [int(line.split()[1]) for line in path.with_suffix(".idx").read_text().splitlines()]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda d, at: d.__setitem__(slice(at, at + 4), b"\0\0\0\0"), "no record begins"),
        (
            lambda d, at: d.__setitem__(slice(at + 12, at + 16), struct.pack("<f", np.nan)),
            "no valid label",
        ),
        (
            lambda d, at: d.__setitem__(slice(at + 12, at + 16), struct.pack("<f", -5.0)),
            "no valid label",
        ),
        (lambda d, at: d.__setitem__(slice(at + 60, at + 300), bytes(240)), "broken JPEG"),
        (
            lambda d, at: d.__setitem__(slice(at + 8, at + 12), struct.pack("<I", 1 << 30)),
            "promises",
        ),
    ],
)
def test_one_spoilt_record_is_named_and_the_others_are_read(
    tmp_path: Path, spoil: Callable[..., Any], reason: str
) -> None:
    path = write(tmp_path)
    data = bytearray(path.read_bytes())
    spoil(data, offsets(path)[3])
    path.write_bytes(data)
    faces = MxnetFaces(path)
    with pytest.raises(CorruptRecord, match=rf"record 3 at byte \d+.*{reason}"):
        faces.read(2)
    for row in (0, 1, 3, 4, 5):
        assert faces.read(row).shape == (112, 112, 3)
        assert faces.labels[row] == LABELS[row]


def test_a_truncated_file_loses_only_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, head=False)
    path.write_bytes(path.read_bytes()[: offsets(path)[4] + 100])
    faces = MxnetFaces(path)
    assert [faces.read(row).shape for row in range(4)] == [(112, 112, 3)] * 4
    for row in (4, 5):
        with pytest.raises(CorruptRecord):
            faces.read(row)


@pytest.mark.parametrize("index", ["nonsense", "1\t2\t3\n", "", "0\n1\n"])
def test_a_broken_index_is_one_clear_error(tmp_path: Path, index: str) -> None:
    path = write(tmp_path)
    path.with_suffix(".idx").write_text(index)
    with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*table of keys and offsets"):
        MxnetFaces(path)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-DATA-MISSING"):
        MxnetFaces(tmp_path / "train.rec")
    (tmp_path / "train.rec").touch()
    with pytest.raises(EmbedgeError, match="E-DATA-MISSING"):
        MxnetFaces(tmp_path / "train.rec")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(b"\x89PNG" * 100)
    with pytest.raises(EmbedgeError, match="E-DATA-FORMAT"):
        MxnetFaces(tmp_path / "train.rec")


def test_labels_are_read_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of a set of millions of pictures are not all held at once."""
    path = write(tmp_path)
    given_back: list[object] = []
    monkeypatch.setattr(mxnet, "let_go", given_back.append)
    whole = MxnetFaces(path)
    assert len(given_back) == 1
    monkeypatch.setattr(mxnet, "_LOOKED_AT", 2)
    assert np.array_equal(MxnetFaces(path).labels, whole.labels)
    assert len(given_back) == 1 + -(-len(whole) // 2)


@pytest.mark.parametrize("begins", [float("nan"), float("inf")])
def test_a_head_record_without_a_number_is_one_clear_error(tmp_path: Path, begins: float) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:32] + struct.pack("<f", begins) + data[36:])
    with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*head record"):
        MxnetFaces(path)


@pytest.mark.parametrize("size", [1, 3, 10, 35])
def test_a_file_of_a_few_bytes_is_one_clear_error(tmp_path: Path, size: int) -> None:
    path = write(tmp_path, head=False)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT"):
        MxnetFaces(path)


@pytest.mark.parametrize("stated", ["300000000", "1" + "0" * 20, "1" + "0" * 5000, "many"])
def test_more_people_than_there_are_is_one_clear_error(tmp_path: Path, stated: str) -> None:
    path = write(tmp_path)
    (tmp_path / "property").write_text(f"{stated},112,112")
    with pytest.raises(EmbedgeError, match=r"E-DATA-FORMAT.*number of classes"):
        MxnetFaces(path)
