"""A backup is the gallery as it was at one moment, and takes no lock of anybody away."""

import os
import sqlite3
import stat
from contextlib import closing
from functools import partial
from pathlib import Path
from sqlite3 import Connection

import gallery_rows
import pytest
from gallery_rows import KEY, ann_and_ben, is_locked
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import NIST_800_63B, Gallery
from embedge.runtime.gallery.attempts import AttemptGuard
from embedge.runtime.gallery.copies.backup import backup
from embedge.runtime.gallery.mending import check, recover
from embedge.runtime.gallery.mirror import Seen

CONTRACT = tiny_contract(16)
unit = partial(gallery_rows.unit, dim=16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ann_and_ben(tmp_path / "people.gallery", CONTRACT)


def test_a_backup_is_the_gallery_of_that_moment(path: Path, tmp_path: Path) -> None:
    (tmp_path / "safe").mkdir()
    copy = tmp_path / "safe" / "copy"
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.backup(copy)
        gallery.erase("ann")
    assert [each.name for each in copy.parent.iterdir()] == ["copy"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert check(copy, KEY) == []
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.open(copy, key=bytes(32))
    with Gallery.open(copy, key=KEY, writable=True) as gallery:
        assert gallery.people() == ["ann", "ben"]
        gallery.enroll("cem", unit(3), CONTRACT)
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["ben"]


def test_a_backup_during_a_writing_gives_no_lock_away(path: Path, tmp_path: Path) -> None:
    """As shutil.copy in the service's own process would: then two processes write at once."""

    def write(connection: Connection, _: Seen) -> None:
        connection.execute("DELETE FROM record")
        backup(path, tmp_path / "copy", KEY)
        assert is_locked(path)
        connection.rollback()

    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.mirror.write(write)
    assert check(tmp_path / "copy", KEY) == []
    with Gallery.open(tmp_path / "copy", key=KEY) as gallery:
        assert gallery.people() == ["ann", "ben"]


@pytest.mark.parametrize("there", ["file", "link", "gallery"])
def test_what_is_there_is_not_replaced(path: Path, tmp_path: Path, there: str) -> None:
    target = {"file": tmp_path / "notes", "link": tmp_path / "link", "gallery": path}[there]
    if there == "file":
        target.write_text("mine")
    if there == "link":
        target.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    with (
        Gallery.open(path, key=KEY) as gallery,
        pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"),
    ):
        gallery.backup(target)
    assert sorted(tmp_path.iterdir()) == before
    assert check(path, KEY) == []


def test_what_cannot_be_copied_leaves_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-WRITE.*nothing was copied"):
        backup(path, tmp_path / "no folder" / "copy", KEY)
    with pytest.raises(EmbedgeError, match="E-GALLERY-NAME"):
        backup(path, tmp_path / "copy-journal", KEY)
    with closing(sqlite3.connect(tmp_path / "notes")) as other:
        other.execute("CREATE TABLE a (b)")
    with pytest.raises(EmbedgeError, match="not a gallery"):
        backup(tmp_path / "notes", tmp_path / "copy", KEY)
    with Gallery.open(path, key=KEY) as gallery:
        pass
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        gallery.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_interrupted_one_leaves_no_name(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file had stood there from before the last step."""
    (tmp_path / "safe").mkdir()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupted)
    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backup(path, tmp_path / "safe" / "copy", KEY)
    assert list((tmp_path / "safe").iterdir()) == []


@pytest.mark.parametrize("statement", ["DELETE FROM spare WHERE id = 2", "DELETE FROM attempt"])
def test_of_a_damaged_gallery_there_is_none(path: Path, tmp_path: Path, statement: str) -> None:
    """Each of them opens, and `check` finds it."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        AttemptGuard(gallery, NIST_800_63B).begin("ann")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    (found,) = check(path, KEY)
    with Gallery.open(path, key=KEY) as gallery, pytest.raises(EmbedgeError) as raised:
        gallery.backup(tmp_path / "copy")
    error = raised.value
    assert (error.code, error.where) == ("E-GALLERY", str(path))
    assert found in error.what
    assert "gallery recover" in error.remedy
    assert not (tmp_path / "copy").exists()


def test_a_copy_of_a_gallery_under_another_key_is_none(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-KEY: the key .* nothing was copied"):
        backup(path, tmp_path / "copy", bytes(32))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ["\0", "a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(path: Path, tmp_path: Path, name: str) -> None:
    with Gallery.open(path, key=KEY) as gallery:
        for made in (gallery.backup, partial(recover, path, key=KEY), partial(check, key=KEY)):
            with pytest.raises(EmbedgeError, match=r"E-GALLERY-MISSING.*no file can"):
                made(name)
