"""What is of another kind than asked for is refused by name; a key file is whole or not there."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery import keys
from embedge.runtime.gallery.keys import new_key_file

CONTRACT = tiny_contract(16)
KEY = bytes(range(32))
ROW = np.eye(1, 16, dtype=np.float32)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        yield gallery


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rows",
    ["x", None, [["a"] * 16], np.array([[object()] * 16]), [[1], [1, 2]], ROW * 1e30, [[1e300]]],
    ids=["text", "none", "letters", "objects", "ragged", "huge", "past float32"],
)
def test_rows_that_are_no_embeddings(gallery: Gallery, rows: Any) -> None:
    for act in (
        lambda: gallery.enroll("z", rows, CONTRACT),
        lambda: gallery.identify(rows, CONTRACT),
    ):
        with pytest.raises(EmbedgeError, match="E-EMBEDDING"):
            act()
    assert len(gallery) == 0


@pytest.mark.parametrize("contract", [None, "space", {}])
def test_a_contract_that_is_none(gallery: Gallery, contract: Any) -> None:
    for act in (gallery.identify, lambda *its: gallery.enroll("z", *its)):
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            act(ROW, contract)


@pytest.mark.parametrize("path", [b"/tmp/x", None, 3])
def test_a_path_of_another_kind(path: Any) -> None:
    for act in (
        lambda: Gallery.open(path, key=KEY),
        lambda: Gallery.create(path, CONTRACT, key=KEY),
        lambda: Gallery.for_enrolment(path, CONTRACT, key=KEY),
    ):
        with pytest.raises(EmbedgeError, match="E-GALLERY-MISSING"):
            act()


@pytest.mark.parametrize("name", [" ann", "ann ", " "])
def test_a_name_with_blanks_around_it_is_refused(gallery: Gallery, name: str) -> None:
    """On a screen it is another's name."""
    for act in (lambda: gallery.enroll(name, ROW, CONTRACT), lambda: gallery.erase(name)):
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            act()


def test_a_pipe_is_waited_for_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody writes into gives a key, in however many pieces."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    monkeypatch.setattr(keys, "_PATIENCE", 0.1)
    with pytest.raises(EmbedgeError, match=r"E-KEY.*nothing was written"):
        keys.key_from_file(path)
    monkeypatch.setattr(keys, "_PATIENCE", 10)

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for part in (KEY.hex()[:30], KEY.hex()[30:]):
                stream.write(part.encode())
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert keys.key_from_file(path) == KEY
    writer.join()


@pytest.mark.parametrize("step", ["write", "sync"])
def test_a_key_that_could_not_be_written_leaves_no_file(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "key", os.open
    if step == "write":  # onto a full disk
        full = real("/dev/full", os.O_WRONLY)

        def opened(*its: Any) -> int:
            os.close(real(*its))
            return full

        monkeypatch.setattr(os, "open", opened)
    else:
        monkeypatch.setattr(os, "fsync", lambda _: os.truncate("/nowhere", 0))
    with pytest.raises(EmbedgeError, match="E-WRITE"):
        new_key_file(path)
    monkeypatch.undo()
    assert not path.exists()
    new_key_file(path)
    assert len(path.read_text()) == 65
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(EmbedgeError, match="E-WRITE"):
        new_key_file(path)
    assert len(path.read_text()) == 65


@pytest.mark.parametrize("handicap", [float("nan"), float("inf"), None, "0.1", True])
def test_a_handicap_that_ranks_nobody(gallery: Gallery, handicap: Any) -> None:
    gallery.enroll("ann", ROW, CONTRACT)
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        gallery.identify(ROW, CONTRACT, handicap=handicap)


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
def test_a_key_that_sqlite_would_take_for_a_log_is_not_written(tmp_path: Path, ending: str) -> None:
    with pytest.raises(EmbedgeError, match="E-GALLERY-NAME"):
        new_key_file(tmp_path / f"g{ending}")
    assert list(tmp_path.iterdir()) == []
