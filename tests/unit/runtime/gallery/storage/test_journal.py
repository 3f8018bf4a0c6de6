"""A journal is played back into its own file only, and nothing else is taken for a journal."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.notes import Notes
from embedge.runtime.gallery.storage.journal import require_own

DIM = 16
unit = partial(gallery_rows.unit, dim=DIM)
CONTRACT = tiny_contract(DIM)
ASK = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN EXCLUSIVE')"


def made(path: Path, *names: str) -> Path:
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        for seed, name in enumerate(names):
            gallery.enroll(name, unit(seed), CONTRACT)
    return path


def crash(path: Path) -> None:
    """In the middle of a writing, of which the file has got a part already."""
    child = os.fork()
    if child == 0:
        try:
            Notes.record = lambda *_: os._exit(9)  # type: ignore[method-assign]
            gallery = Gallery.open(path, key=KEY, writable=True)
            gallery.mirror.database._current().execute("PRAGMA cache_size=10")
            gallery.enroll([f"n{each}" for each in range(900)], unit(7, 900), CONTRACT)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert Path(f"{path}-journal").read_bytes()[:1] == b"\xd9"


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


def refused(folder: Path, *calls: Callable[[], object]) -> None:
    before = bytes_in(folder)
    for call in calls:
        with pytest.raises(EmbedgeError, match=r"E-GALLERY: the journal beside it") as error:
            call()
        assert "Remove d-journal" in error.value.remedy
        assert "bring d-journal along" in error.value.remedy
    assert bytes_in(folder) == before


def test_its_own_journal_is_played_back(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    crash(path)
    shutil.copy(path, tmp_path / "copy")
    shutil.copy(f"{path}-journal", tmp_path / "copy-journal")
    assert recover(path, tmp_path / "saved", KEY).whole
    for each in (path, tmp_path / "copy"):
        assert check(each, KEY) == []
        with Gallery.open(each, key=KEY) as gallery:
            assert gallery.people() == ["ann"]


def test_not_into_a_backup(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    shutil.copy(path, tmp_path / "backup")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll(["bob"] * 300, unit(5, 300), CONTRACT)
    crash(path)
    shutil.copy(tmp_path / "backup", path)
    refused(
        tmp_path,
        lambda: check(path, KEY),
        lambda: Gallery.open(path, key=KEY),
        lambda: Gallery.open(path, key=KEY, writable=True),
        lambda: recover(path, tmp_path / "new", KEY),
    )
    Path(f"{path}-journal").unlink()
    assert check(path, KEY) == []


def test_not_into_another_gallery_of_as_many_writings(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    crash(path)
    made(tmp_path / "other", "eve").replace(path)
    refused(tmp_path, lambda: check(path, KEY))


def test_not_into_a_copy_that_went_another_way(tmp_path: Path) -> None:
    """After one writing elsewhere it counts as many as the file under the journal does."""
    path, away = made(tmp_path / "d", "ann"), tmp_path / "away"
    shutil.copy(path, away)
    crash(path)
    before = int.from_bytes(Path(f"{path}-journal").read_bytes()[512 + 28 : 512 + 32], "big")
    with Gallery.open(away, key=KEY, writable=True) as gallery:
        gallery.enroll("eve", unit(20), CONTRACT)
    assert int.from_bytes(away.read_bytes()[24:28], "big") == before + 1
    away.replace(path)
    refused(tmp_path, lambda: check(path, KEY), lambda: Gallery.open(path, key=KEY))
    Path(f"{path}-journal").unlink()
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["ann", "eve"]


@pytest.mark.parametrize("at", [24, 512], ids=["size of its pages", "its first page"])
def test_not_one_that_no_gallery_writes(tmp_path: Path, at: int) -> None:
    path = made(tmp_path / "d", "ann")
    crash(path)
    journal = bytearray(Path(f"{path}-journal").read_bytes())
    journal[at : at + 4] = (8192).to_bytes(4, "big")
    Path(f"{path}-journal").write_bytes(journal)
    refused(tmp_path, lambda: check(path, KEY))


def test_not_into_a_new_gallery_where_one_was_moved_away(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    crash(path)
    path.rename(tmp_path / "moved")
    refused(
        tmp_path,
        lambda: Gallery.create(path, CONTRACT, key=KEY),
        lambda: recover(tmp_path / "moved", path, KEY),
    )
    Path(f"{path}-journal").rename(tmp_path / "moved-journal")
    assert check(tmp_path / "moved", KEY) == []


def test_not_into_a_gallery_that_is_open(tmp_path: Path) -> None:
    """Neither another gallery's, nor that of a copy which was as this one is no more."""
    path, other = made(tmp_path / "d", "ann"), made(tmp_path / "other", "eve")
    shutil.copy(path, tmp_path / "copy")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll(["bob"] * 300, unit(5, 300), CONTRACT)
        at_rest = Path(f"{path}-journal").read_bytes()
        for one in (other, tmp_path / "copy"):
            crash(one)
            shutil.copy(f"{one}-journal", f"{path}-journal")
            refused(
                tmp_path,
                gallery.people,
                gallery.info,
                lambda: gallery.enroll("cem", unit(9), CONTRACT),
                lambda: gallery.erase("ann"),
                gallery.compact,
            )
        Path(f"{path}-journal").write_bytes(at_rest)
        gallery.enroll("cem", unit(9), CONTRACT)
    assert check(path, KEY) == []


def test_its_own_is_played_back_while_it_is_open(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        crash(path)
        assert gallery.people() == ["ann"]
        gallery.enroll("cem", unit(9), CONTRACT)
    assert check(path, KEY) == []


def test_looking_at_a_journal_gives_no_lock_away(tmp_path: Path) -> None:
    """Closing the gallery's file would drop the locks that this process has on it."""
    path = made(tmp_path / "d", "ann")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.mirror.database._current().execute("PRAGMA cache_size=10")

        def write(connection: sqlite3.Connection, _: Seen) -> None:
            for number in range(900):  # some of it is in the file already
                connection.execute("INSERT INTO person VALUES (?, ?)", (number + 9, bytes(400)))
            assert Path(f"{path}-journal").read_bytes()[:1] == b"\xd9"
            require_own(path, path)
            command = [sys.executable, "-c", ASK, str(path)]
            assert b"database is locked" in subprocess.run(command, capture_output=True).stderr
            connection.execute("ROLLBACK")

        gallery.mirror.write(write)
        assert gallery.people() == ["ann"]


def test_pages_of_another_size_are_refused_at_once(tmp_path: Path) -> None:
    """As its journal would be known for no gallery's after a crash."""
    path = made(tmp_path / "d", "ann")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.people()
        _vacuum(path, 8192)
        with pytest.raises(EmbedgeError, match=r"E-GALLERY-FORMAT.* 8192 bytes"):
            gallery.enroll("cem", unit(9), CONTRACT)
    for size in (8192, 65536):
        _vacuum(path, size)
        with pytest.raises(EmbedgeError, match=rf"E-GALLERY-FORMAT.* {size} bytes.*VACUUM"):
            Gallery.open(path, key=KEY)
    _vacuum(path, 4096)
    assert check(path, KEY) == []


def _vacuum(path: Path, size: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={size}")
        connection.execute("VACUUM")


def test_no_gallery_is_taken_for_a_journal(tmp_path: Path) -> None:
    for ending in ("-journal", "-wal", "-shm"):
        with pytest.raises(EmbedgeError, match="E-GALLERY-NAME"):
            made(tmp_path / f"d{ending}")
        with pytest.raises(EmbedgeError, match="E-GALLERY-NAME"):
            recover(made(tmp_path / f"of {ending}."), tmp_path / f"d{ending}", KEY)
    path = made(tmp_path / "d", "ann")
    Path(f"{path}-journal").unlink(missing_ok=True)
    made(tmp_path / "other", "eve").rename(f"{path}-journal")
    before = bytes_in(tmp_path)
    for call in (
        lambda: Gallery.open(path, key=KEY, writable=True),
        lambda: recover(tmp_path / "of -wal.", path.with_name("d"), KEY),
    ):
        with pytest.raises(EmbedgeError, match="E-GALLERY"):
            call()
    assert bytes_in(tmp_path) == before


def test_what_writes_nothing_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = made(tmp_path / "d", "ann")
    before = path.read_bytes()
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("ann", unit(0), CONTRACT)
    assert path.read_bytes() == before
