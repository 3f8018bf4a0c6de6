"""Packed verification sets: every dialect of the pickle is read, nothing in it is run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedge.calibration.protocols.binfile import pairs_from_bin
from embedge.errors import EmbedgeError

PICTURES = [b"face-%d" % number for number in range(8)] + [b"", b"face-0"] + [b"x"] * 30
SAME = [True, False, True, True, False] + [False, True] * 7 + [True]


def written(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("dialect", ["bytes", "arrays", "numpy verdicts", "verdict array"])
def test_every_dialect_reads_alike(tmp_path: Path, protocol: int, dialect: str) -> None:
    pictures: list = PICTURES
    same: object = SAME
    if dialect == "arrays":
        pictures = [np.frombuffer(picture, np.uint8).copy() for picture in PICTURES]
    if dialect == "numpy verdicts":
        same = [np.bool_(verdict) for verdict in SAME]
    if dialect == "verdict array":
        same = np.asarray(SAME)
    found: Any = pairs_from_bin(written(tmp_path / "a.bin", (pictures, same), protocol))
    assert found.same.tolist() == SAME
    again = [found.faces.pictures[row] for row in found.pairs.ravel()]
    assert again == PICTURES


def test_python_2_text_is_read_as_bytes(tmp_path: Path) -> None:
    # what cPickle of Python 2 wrote: str, not bytes
    path = tmp_path / "old.bin"
    path.write_bytes(b"\x80\x02]q\x00(U\x03\xff\xd8aU\x03\xff\xd8be]q\x01\x88a\x86q\x02.")
    found: Any = pairs_from_bin(path)
    assert list(found.faces.pictures) == [b"\xff\xd8a", b"\xff\xd8b"]


def test_equal_pictures_are_embedded_once_and_people_are_joined(tmp_path: Path) -> None:
    found: Any = pairs_from_bin(written(tmp_path / "a.bin", (PICTURES, SAME)))
    assert len(found.faces.pictures) == len(set(PICTURES)) == 10
    # pair 0 joins pictures 0 and 1; pair 4 says that picture 8 is not picture 0
    assert found.subjects[0] == found.subjects[1] != found.subjects[2]
    assert not found.named


def test_folds_are_ten_equal_stretches(tmp_path: Path) -> None:
    found = pairs_from_bin(written(tmp_path / "a.bin", (PICTURES, SAME)))
    assert found.folds.tolist() == sorted(np.repeat(np.arange(10), 2).tolist())


class Runs:
    def __init__(self, call: tuple) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (os.system, ("touch ran",)),
        (eval, ("open('ran', 'w')",)),
        (getattr, ("os", "system")),
        (np.load, ("x",)),
        (bytearray, (10**12,)),
    ],
)
def test_a_pickle_that_would_run_something_is_refused_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: tuple[Callable[..., Any], tuple[object, ...]],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EmbedgeError, match="E-PICKLE"):
        pairs_from_bin(written(tmp_path / "a.bin", ([Runs(call), b"x"], [True])))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        ([b"a"], [True]),
        ([b"a", b"b"], [2]),
        ([b"a", "text"], [True]),
        ([], []),
        {"a": 1},
        ([np.zeros(3, np.float32), b"a"], [True]),
        ([np.zeros((2, 2), np.uint8), b"a"], [True]),
        ([np.asarray([object()]), b"a"], [True]),
    ],
)
def test_anything_else_is_one_sentence(tmp_path: Path, content: object) -> None:
    with pytest.raises(EmbedgeError, match=r"E-BIN|E-PICKLE"):
        pairs_from_bin(written(tmp_path / "a.bin", content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps((PICTURES, SAME))[:-40],
        # bytes(10**12): a state or an argument that the shells refuse
        b"cbuiltins\nbytes\n(I1000000000000\ntR.",
        # a state for a function
        b"c_codecs\nencode\n}S'make'\nI1\nsb.",
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(EmbedgeError, match="E-BIN"):
        pairs_from_bin(tmp_path / "a.bin")


def test_an_absent_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-BIN"):
        pairs_from_bin(tmp_path / "absent.bin")
