"""What SQLite would take for a log of the gallery is refused: nothing is read, changed, deleted."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.storage.journal import journal_of

unit = partial(gallery_rows.unit, dim=16)
CONTRACT = tiny_contract(16)

DIES_IN_WAL = """
import os, sqlite3, sys
there = sqlite3.connect(sys.argv[1])
there.execute("PRAGMA journal_mode=wal")
there.execute("VACUUM")
os._exit(0)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "there" / "d"
    with Gallery.create(path, CONTRACT, key=KEY) as gallery:
        gallery.enroll(["ann", "bob"], unit(1, 2), CONTRACT)
    journal_of(path).unlink(missing_ok=True)
    return path


def wal_of(database: Path) -> bytes:
    """Of a viewer that switched it to WAL, wrote every page, and died."""
    subprocess.run([sys.executable, "-c", DIES_IN_WAL, str(database)], check=True)
    return Path(f"{database}-wal").read_bytes()


def logs(kind: str, path: Path, other: Path) -> bytes:
    match kind:
        case "another gallery's":
            with Gallery.create(other, CONTRACT, key=bytes(32)) as gallery:
                gallery.enroll("eve", unit(5), CONTRACT)
            return wal_of(other)
        case "a later time's of its own":
            other.write_bytes(path.read_bytes())
            with Gallery.open(other, key=KEY, writable=True) as gallery:
                gallery.enroll("eve", unit(5), CONTRACT)
            return wal_of(other)
    return kind.encode()


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
@pytest.mark.parametrize("kind", ["another gallery's", "a later time's of its own", "my notes", ""])
def test_a_log_beside_it_is_refused_and_stays(
    path: Path, tmp_path: Path, kind: str, ending: str
) -> None:
    Path(f"{path}{ending}").write_bytes(logs(kind, path, tmp_path / "other"))
    before = bytes_in(path.parent)
    for call in (
        lambda: check(path, KEY),
        lambda: Gallery.open(path, key=KEY),
        lambda: Gallery.open(path, key=KEY, writable=True),
        lambda: Gallery.for_enrolment(path, CONTRACT, key=KEY),
    ):
        with pytest.raises(EmbedgeError, match=f"E-GALLERY: d{ending} beside it") as error:
            call()
        assert f"move d{ending} away" in error.value.remedy
    saved = recover(path, tmp_path / "saved", KEY)
    assert (saved.whole, saved.people, saved.unread) == (True, 2, (f"d{ending}",))
    assert bytes_in(path.parent) == before
    Path(f"{path}{ending}").unlink()
    assert check(path, KEY) == []


def test_one_that_comes_while_the_gallery_is_open(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        Path(f"{path}-wal").write_text("my notes")
        before = bytes_in(path.parent)
        for call in (gallery.people, lambda: gallery.enroll("cid", unit(3), CONTRACT)):
            with pytest.raises(EmbedgeError, match="E-GALLERY: d-wal beside it"):
                call()
        assert bytes_in(path.parent) == before
        Path(f"{path}-wal").unlink()
        gallery.enroll("cid", unit(3), CONTRACT)
        assert gallery.people() == ["ann", "bob", "cid"]


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_whatever_it_is(path: Path, tmp_path: Path, kind: str) -> None:
    log = Path(f"{path}-wal")
    makes: dict[str, Callable[[Path], object]] = {
        "fifo": os.mkfifo,
        "folder": os.mkdir,
        "link": partial(os.symlink, tmp_path / "no"),
    }
    makes[kind](log)
    with pytest.raises(EmbedgeError, match="E-GALLERY: d-wal beside it"):
        check(path, KEY)


def test_beside_the_file_that_a_link_leads_to(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    Path(f"{link}-wal").write_text("nothing that SQLite looks for")
    assert check(link, KEY) == []
    Path(f"{path}-wal").write_text("my notes")
    with pytest.raises(EmbedgeError, match="E-GALLERY: d-wal beside it"):
        check(link, KEY)


def test_where_a_new_one_is_to_be(tmp_path: Path) -> None:
    (tmp_path / "new-wal").write_text("my notes")
    with Gallery.create(tmp_path / "d", CONTRACT, key=KEY):
        pass
    for call in (
        lambda: Gallery.create(tmp_path / "new", CONTRACT, key=KEY),
        lambda: recover(tmp_path / "d", tmp_path / "new", KEY),
    ):
        with pytest.raises(EmbedgeError, match="E-GALLERY: new-wal beside it"):
            call()
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "new-wal").read_text() == "my notes"


@pytest.mark.parametrize("torn", [False, True])
def test_no_file_is_deleted_that_a_journal_names_as_one_of_several(path: Path, torn: bool) -> None:
    """At its end: a name, its length and sum, and the first bytes of a journal again."""
    victim = path.parent / "precious"
    victim.write_text("precious")
    magic, pages = bytes.fromhex("d9d505f920a163d7"), path.stat().st_size // 4096
    head = magic + b"".join(each.to_bytes(4, "big") for each in (0, 7, pages, 512, 4096))
    name = os.fsencode(victim)
    tail = len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + magic
    hot = head[:2] if torn else head
    body = hot.ljust(512, b"\0") + (1).to_bytes(4, "big") + name + tail
    journal_of(path).write_bytes(body)
    with pytest.raises(EmbedgeError, match="E-GALLERY: the journal beside it"):
        Gallery.open(path, key=KEY, writable=True)
    assert victim.read_text() == "precious"
    assert journal_of(path).read_bytes() == body
