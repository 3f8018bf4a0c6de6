"""What SQLite does not tell apart is told by its own name."""

import errno
import os
import resource
import sqlite3
from pathlib import Path

import pytest

from embedge.runtime.gallery.storage.failures import (
    database_error,
    exists_already,
    open_error,
)


def told_as(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = code
    return error


def test_a_journal_that_another_user_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "g-journal").touch()
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.F_OK)  # root may anything
    error = open_error(told_as(sqlite3.SQLITE_CANTOPEN), tmp_path / "g", alone=True)
    assert "its journal, g-journal" in error.what
    assert "chmod --reference=g g-journal" in error.remedy


def test_so_is_a_process_without_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", full)
    error = open_error(told_as(sqlite3.SQLITE_CANTOPEN), tmp_path / "g", alone=True)
    assert "Too many open files" in error.what
    assert "ulimit -n" in error.remedy


def test_whoever_may_only_read_beside_a_crash_is_told_of_it(tmp_path: Path) -> None:
    error = database_error(told_as(sqlite3.SQLITE_READONLY_ROLLBACK), tmp_path / "g", "")
    assert error.code == "E-GALLERY-MISSING"
    assert "a writing of it was interrupted" in error.what


def test_a_name_too_long_for_a_journal_is_no_traceback(tmp_path: Path) -> None:
    error = open_error(told_as(sqlite3.SQLITE_CANTOPEN), tmp_path / ("g" * 250), alone=True)
    assert error.code == "E-GALLERY-MISSING"


def test_a_file_that_may_not_grow_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(errno.EFBIG, "File too large")
    assert "File too large; nothing" in database_error(error, tmp_path / "g", "nothing").what
    monkeypatch.setattr(resource, "getrlimit", lambda _: (30_000, 30_000))
    what = database_error(error, tmp_path / "g", "nothing").what
    assert "no file may grow beyond 30000 bytes here (ulimit -f)" in what
    assert "disk" not in what


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "a link that leads nowhere" in exists_already(tmp_path / "link").what
    assert "there is a file here" in exists_already(tmp_path / "file").what
