"""A database of another program stays as it is."""

import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from gallery_rows import KEY, ann_and_ben
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check

DIM = 32
CONTRACT = tiny_contract(DIM)


def refused(path: Path, key: bytes | None) -> None:
    for writable in (False, True):
        with pytest.raises(EmbedgeError, match="E-GALLERY: this file is not a gallery"):
            Gallery.open(path, key=key, writable=writable)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_another_programs_database_is_not_touched(tmp_path: Path, mode: str) -> None:
    """Nor its log, nor a journal of its own that waits to be played back."""
    folder, source = tmp_path / "there", tmp_path / "source"
    folder.mkdir()
    with closing(sqlite3.connect(source)) as there:
        there.execute(f"PRAGMA journal_mode={mode}")
        there.execute("PRAGMA cache_size=1")
        there.execute("CREATE TABLE cookies (id INTEGER PRIMARY KEY, value TEXT)")
        there.commit()
        there.executemany("INSERT INTO cookies VALUES (?, ?)", ((n, "x" * 999) for n in range(99)))
        for each in tmp_path.glob("source*"):
            shutil.copy(each, folder)
    before = {each: each.read_bytes() for each in folder.iterdir()}
    assert len(before) >= 2
    for key in (KEY, None):
        refused(folder / "source", key)
        with pytest.raises(EmbedgeError, match="not a gallery"):
            check(folder / "source", key)
        with pytest.raises(EmbedgeError, match="not a gallery"):
            Gallery.for_enrolment(folder / "source", CONTRACT, key=KEY)
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_what_a_maintenance_tool_put_in_is_named_with_what_takes_it_out(tmp_path: Path) -> None:
    path = ann_and_ben(tmp_path / "g", tiny_contract(16))
    with closing(sqlite3.connect(path)) as tool:
        tool.execute("ANALYZE")
    with pytest.raises(EmbedgeError, match=r"E-GALLERY: .*table sqlite_stat1.*DROP table sqlite"):
        Gallery.open(path, key=KEY)
    with closing(sqlite3.connect(path)) as tool:
        tool.execute("DROP TABLE sqlite_stat1")
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.people() == ["ann", "ben"]


def test_a_table_of_its_own_that_is_another_one_is_no_other_programs(tmp_path: Path) -> None:
    """Its name would be in the advice to drop it."""
    path = ann_and_ben(tmp_path / "g", tiny_contract(16))
    with closing(sqlite3.connect(path)) as tool:
        tool.execute("ALTER TABLE person ADD COLUMN more TEXT")
    with pytest.raises(EmbedgeError, match="its tables are not those of a gallery") as caught:
        Gallery.open(path, key=KEY)
    assert "DROP" not in str(caught.value)


def test_a_name_put_in_cannot_leave_its_quotes_in_the_advice(tmp_path: Path) -> None:
    path = ann_and_ben(tmp_path / "g", tiny_contract(16))
    name = "x'; touch here; '"
    with closing(sqlite3.connect(path)) as tool:
        tool.execute(f'CREATE TABLE "{name}" (id INTEGER)')
    with pytest.raises(EmbedgeError) as caught:
        Gallery.open(path, key=KEY)
    assert shlex.split(caught.value.remedy)[-2:] == ["FILE", f"DROP table {name}"]
