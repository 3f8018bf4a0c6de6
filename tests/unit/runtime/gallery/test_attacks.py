"""Whoever can write the file but lacks the key: what was changed is refused, by name."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import gallery_rows
import numpy as np
import pytest
from gallery_rows import KEY, enrolled, sql
from import_path import import_path
from proof_page import page, require_named_tests
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.templates import Group, Template

DIM = 32
unit = partial(gallery_rows.unit, dim=DIM)
CONTRACT = tiny_contract(DIM)
Rows = list[tuple[object, ...]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return enrolled(tmp_path, CONTRACT)


def refused(path: Path, code: str, words: str = "", key: bytes | None = KEY) -> None:
    for writable in (False, True):
        with pytest.raises(EmbedgeError) as caught:
            Gallery.open(path, key=key, writable=writable)
        assert caught.value.code == code, caught.value
        assert words in caught.value.what


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM record WHERE id = 2",
        "DELETE FROM person WHERE id = 2",
        "DELETE FROM record WHERE person = 2",
        "DELETE FROM record; ",
        "UPDATE record SET person = 3 WHERE id = 2",
        "UPDATE record SET id = 99 WHERE id = 2",
        "UPDATE record SET sealed = (SELECT sealed FROM record WHERE id = 1) WHERE id = 2",
        "UPDATE person SET sealed = (SELECT sealed FROM person WHERE id = 1) WHERE id = 2",
        "UPDATE record SET sealed = zeroblob(10) WHERE id = 2",
        "UPDATE record SET sealed = 'text' WHERE id = 2",
        "UPDATE record SET sealed = 7 WHERE id = 2",
        "DELETE FROM state",
        "UPDATE state SET sealed = zeroblob(length(sealed))",
        "DELETE FROM header",
        "UPDATE header SET value = replace(CAST(value AS TEXT), 'float32', 'int8')",
        "UPDATE header SET value = zeroblob(100)",
        "UPDATE header SET value = CAST(printf('%.*c', 100000, '[') AS BLOB)",
        "INSERT INTO person VALUES (99, zeroblob(60))",
        "INSERT INTO record VALUES (99, 99, zeroblob(60))",
        "CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM record; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP INDEX record_of",
    ],
)
def test_changed_rows(path: Path, change: str) -> None:
    sql(path, change)
    refused(path, "E-GALLERY")


@pytest.mark.parametrize("field", [{"key_check": 5}, {"key_check": "é"}, {"epoch": []}])
def test_header_fields_of_another_kind(path: Path, field: dict[str, Any]) -> None:
    changed_header(path, {**header_of(path), **field})
    refused(path, "E-GALLERY", "its header")


def test_a_dimension_that_nobody_vouched_for_costs_nothing(path: Path) -> None:
    """A rotation of so many dimensions takes minutes and gigabytes."""
    header = header_of(path)
    changed_header(path, {**header, "contract": {**header["contract"], "dim": 16_000}})
    began = time.monotonic()
    refused(path, "E-GALLERY", "its state")
    assert time.monotonic() - began < 5


def header_of(path: Path) -> dict[str, Any]:
    ((raw,),) = sql(path, "SELECT value FROM header")
    header: dict[str, Any] = json.loads(raw)
    return header


def changed_header(path: Path, header: dict[str, Any]) -> None:
    connection = sqlite3.connect(path)
    raw = json.dumps(header, sort_keys=True).encode()
    connection.execute("UPDATE header SET value = ?", (raw,))
    connection.commit()
    connection.close()


def test_a_person_rolled_back_to_an_earlier_time(path: Path) -> None:
    """Every row of one person as it once was: each of them opens, and yet it is noticed."""
    earlier = sql(path, "SELECT * FROM record WHERE person = 2")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("p1", unit(9), CONTRACT)
    sql(path, f"DELETE FROM record WHERE person = 2 AND id > {earlier[-1][0]}")
    refused(path, "E-GALLERY", "dropped, added or put back")


def test_an_erased_person_put_back(path: Path) -> None:
    person = sql(path, "SELECT * FROM person WHERE id = 2")
    records = sql(path, "SELECT * FROM record WHERE person = 2")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.erase("p1")
    connection = sqlite3.connect(path)
    connection.executemany("INSERT INTO person VALUES (?, ?)", person)
    connection.executemany("INSERT INTO record VALUES (?, ?, ?)", records)
    connection.commit()
    connection.close()
    refused(path, "E-GALLERY")


def test_rows_of_another_gallery(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with Gallery.create(other, CONTRACT, key=KEY) as gallery:
        for number in range(4):
            gallery.enroll(f"p{number}", unit(number + 50, 2), CONTRACT)
    rows = sql(other, "SELECT sealed, id FROM record")
    connection = sqlite3.connect(path)
    connection.executemany("UPDATE record SET sealed = ? WHERE id = ?", rows)
    connection.commit()
    connection.close()
    refused(path, "E-GALLERY")


def test_an_open_gallery_in_the_place_of_an_encrypted_one(path: Path) -> None:
    path.unlink()
    with Gallery.create(path, CONTRACT, key=None, unencrypted=True) as gallery:
        gallery.enroll("ceo", unit(77), CONTRACT)
    refused(path, "E-KEY", "not encrypted")


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
@pytest.mark.parametrize("row", ["long", "short", "nan", "inf"])
def test_templates_that_would_match_everybody(
    tmp_path: Path, rows: str, key: bytes | None, row: str
) -> None:
    """Written past the checks of enrolment, as whoever writes an open gallery can."""
    path = tmp_path / "g"
    with Gallery.create(path, CONTRACT, key=key, rows=rows, unencrypted=key is None) as gallery:
        made = unit(0)[0] * {"long": 44, "short": 0.1, "nan": np.nan, "inf": np.inf}[row]
        if rows == "int8":
            made = np.full(DIM, {"long": 127, "short": 1, "nan": 0, "inf": -127}[row], np.int8)
        ceo = Template("0" * 32, "", "", made)

        def add(connection: Connection, seen: Seen) -> None:
            state = seen.ledger.add(connection, seen.state, [Group(None, "ceo", [ceo])])
            gallery.mirror.put(connection, state)

        gallery.mirror.write(add)
        for _ in range(2):
            with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*length one"):
                gallery.identify(unit(5), CONTRACT)
    refused(path, "E-GALLERY", "length one", key)


def test_what_was_changed_under_an_open_gallery_is_refused_every_time(path: Path) -> None:
    with Gallery.open(path, key=KEY) as gallery:
        assert gallery.identify(unit(1, 2), CONTRACT)[0][0].person == "p1"
        sql(path, "DELETE FROM record WHERE id = 3")
        for _ in range(3):
            with pytest.raises(EmbedgeError, match="E-GALLERY:"):
                gallery.identify(unit(1, 2), CONTRACT)
        with pytest.raises(EmbedgeError, match="E-GALLERY:"):
            gallery.people()


def overwritten(copy: Path, path: Path) -> None:
    shutil.copyfile(copy, path)


def renamed(copy: Path, path: Path) -> None:
    copy.rename(path)


@pytest.mark.parametrize("put_back", [overwritten, renamed])
def test_an_older_copy_put_back_under_an_open_gallery(
    path: Path, tmp_path: Path, put_back: Callable[[Path, Path], None]
) -> None:
    copy = tmp_path / "copy"
    shutil.copyfile(path, copy)
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.erase("p1")
        gallery.people()
        put_back(copy, path)
        for _ in range(2):
            with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*older copy"):
                gallery.people()


def test_another_gallery_put_in_its_place(path: Path, tmp_path: Path) -> None:
    Gallery.create(tmp_path / "other", CONTRACT, key=KEY).close()
    with Gallery.open(path, key=KEY) as gallery:
        (tmp_path / "other").rename(path)
        with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*another gallery"):
            gallery.people()


@pytest.mark.parametrize("key", [b"", b"x", bytes(31), bytes(33)])
def test_keys_of_another_length(path: Path, tmp_path: Path, key: bytes | None) -> None:
    refused(path, "E-KEY", "bytes", key)
    with pytest.raises(EmbedgeError, match="E-KEY"):
        Gallery.create(tmp_path / "new", CONTRACT, key=key)
    assert not (tmp_path / "new").exists()
    with (
        Gallery.open(path, key=KEY, writable=True) as gallery,
        pytest.raises(EmbedgeError, match="E-KEY"),
    ):
        gallery.renew(key)
    Gallery.open(path, key=KEY).close()


def test_things_that_are_not_galleries(tmp_path: Path) -> None:
    def made(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    foreign = tmp_path / "foreign"
    sql(foreign, "CREATE TABLE cookies (id INTEGER PRIMARY KEY, value TEXT)")
    for thing, code, words in (
        (tmp_path / "absent", "E-GALLERY-MISSING", "No such file"),
        (tmp_path / "folder", "E-GALLERY-MISSING", "folder"),
        (tmp_path / "fifo", "E-GALLERY-MISSING", "not a file"),
        (tmp_path / "dangling", "E-GALLERY-MISSING", ""),
        (tmp_path / "loop", "E-GALLERY-MISSING", ""),
        (tmp_path / ("x" * 300), "E-GALLERY-MISSING", "too long"),
        (Path("/dev/zero"), "E-GALLERY-MISSING", "not a file"),
        (tmp_path / "a\0b", "E-GALLERY-MISSING", ""),
        (made("empty", b""), "E-GALLERY-MISSING", "interrupted"),
        (made("text", b"hello" * 1000), "E-GALLERY", "not a gallery"),
        (made("old", b"EMBEDGE-GALLERY\1" + bytes(5000)), "E-GALLERY-FORMAT", "no longer read"),
        (foreign, "E-GALLERY", "not a gallery"),
    ):
        refused(thing, code, words)
        if code != "E-GALLERY-MISSING":
            with pytest.raises(EmbedgeError, match="E-GALLERY-EXISTS"):
                Gallery.create(thing, CONTRACT, key=KEY)


def test_a_later_format(path: Path) -> None:
    sql(path, "PRAGMA user_version=261")
    refused(path, "E-GALLERY-FORMAT", "format 5")


def test_a_page_that_lists_its_rows_without_an_end(path: Path) -> None:
    """A table whose inner page names one leaf again and again: rows out of order stop it."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll([f"q{number}" for number in range(200)], unit(3, 200), CONTRACT)
    ((root,),) = sql(path, "SELECT rootpage FROM sqlite_master WHERE name = 'record'")
    data = bytearray(path.read_bytes())
    start = (int(root) - 1) * 4096
    assert data[start] == 5  # an inner page
    first = start + int.from_bytes(data[start + 12 : start + 14], "big")
    for cell in range(1, int.from_bytes(data[start + 3 : start + 5], "big")):
        place = start + 12 + 2 * cell
        at = start + int.from_bytes(data[place : place + 2], "big")
        data[at : at + 4] = data[first : first + 4]
    path.write_bytes(data)
    refused(path, "E-GALLERY")


def test_rubbish_as_its_journal(path: Path) -> None:
    journal = Path(f"{path}-journal")
    for text in (b"my notes", bytes([1]) + os.urandom(8192)):
        journal.write_bytes(text)
        refused(path, "E-GALLERY", "people.gallery-journal, is none; nothing was changed")
        assert journal.read_bytes() == text
    for rest in (b"", bytes(8), b"\xd9\xd5", b"\xd9\xd5" + bytes(600)):
        journal.write_bytes(rest)
        with Gallery.open(path, key=KEY, writable=True) as gallery:
            assert len(gallery.people()) == 4


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_something_else_where_its_journal_should_be(path: Path, tmp_path: Path, kind: str) -> None:
    """SQLite would wait for a pipe's other end, for ever."""
    journal, victim = Path(f"{path}-journal"), tmp_path / "victim"
    victim.write_text("precious")
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        journal.unlink()
        match kind:
            case "fifo":
                os.mkfifo(journal)
            case "folder":
                journal.mkdir()
            case "link":
                journal.symlink_to(victim)
        refused(path, "E-GALLERY", "journal")
        with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*journal"):
            gallery.enroll("ann", unit(0), CONTRACT)
    assert victim.read_text() == "precious"


def test_names_of_files_that_are_no_text_and_folders_that_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("we?ird#%41 g", "Zo\u00eb", os.fsdecode(b"\xff\xfe")):
        with Gallery.create(tmp_path / name, CONTRACT, key=KEY) as gallery:
            gallery.enroll("ann", unit(0), CONTRACT)
            assert gallery.erase("ann", prove=True).proven
        assert (tmp_path / name).is_file()
    monkeypatch.chdir(tmp_path)
    with Gallery.create("relative", CONTRACT, key=KEY) as gallery:
        monkeypatch.chdir("/")
        gallery.enroll("ann", unit(0), CONTRACT)


def test_a_read_only_file_system(path: Path) -> None:
    """In a name space of its own, where the folder is mounted read-only."""
    program = f"""
import sys
import time
from tiny_bundles import tiny_contract
from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
key = bytes(range(32))
print(len(Gallery.open({str(path)!r}, key=key).people()))
gallery = Gallery.open({str(path)!r}, key=key, writable=True)
for attempt in (
    lambda: gallery.erase("p1"),
    lambda: gallery.renew(),
    lambda: gallery.compact(),
    lambda: Gallery.create({str(path.parent / "new")!r}, tiny_contract({DIM}), key=key),
):
    try:
        attempt()
    except EmbedgeError as error:
        print(error.code, "nothing" in error.what)
"""
    folder = path.parent
    mounted = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"
    support = Path(__file__).parents[3] / "support"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mounted} && exec "$0" -c "$1"', sys.executable, program],
        env={**os.environ, "PYTHONPATH": import_path(support)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no right to mount here")
    assert done.stdout.split("\n") == ["4", *["E-WRITE True"] * 4, ""], done.stderr


def test_a_device_as_key_file_has_no_end() -> None:
    program = (
        "from pathlib import Path; from embedge.runtime.gallery.keys import key_from_file;"
        "key_from_file(Path('/dev/urandom'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=20
    )
    assert "E-KEY" in done.stderr


def test_every_test_that_keeps_an_attack_out_exists() -> None:
    require_named_tests(page("attacks"), more_than=50)
