"""The journal beside a gallery: played back only into the file that it was written for.

SQLite knows a journal by its name alone, and plays one into whatever file now has that name. The
format is https://www.sqlite.org/fileformat.html#the_rollback_journal. A writing saves first the
page with the counter of changes, then the one with the gallery's header: `stamp`. While its
journal is hot, the file's counter is the saved one, or one more.
"""

import errno
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.storage.failures import damage, disk_error

__all__ = ["PAGE", "journal_of", "require_own", "require_plain", "require_plain_name", "stamp"]

PAGE = 4096
_MAGIC = bytes.fromhex("d9d505f920a163d7")
_SQLITE = b"SQLite format 3"
_GALLERY = re.compile(rb'"gallery": "([0-9a-f]{32})"')
_SEARCHED = 16 << 20  # bytes of the journal in which the two pages are looked for
_SUFFIXES = ("-journal", "-wal", "-shm")


def journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def require_plain_name(path: Path) -> None:
    """SQLite takes such a file for a part of another one, and deletes it."""
    if path.name.endswith(_SUFFIXES):
        raise EmbedgeError(
            "E-GALLERY-NAME",
            f"no gallery's name ends in {', '.join(_SUFFIXES)}: it would be taken for the journal"
            " of another one, and deleted",
            where=path,
            remedy="Choose another name",
        )


def require_plain(real: Path, path: Path) -> None:
    """SQLite would wait for ever for somebody to write into a pipe, and empties what is no
    journal."""
    try:
        found = os.lstat(f"{real}-journal")
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise damage(path, "what lies beside it as its journal is not a file")
    start = b""
    with suppress(OSError):  # which SQLite meets too, and tells of
        start = _start(journal_of(real), len(_SQLITE))
    if start == _SQLITE:
        raise EmbedgeError(
            "E-GALLERY",
            f"what lies beside it as its journal, {journal_of(real).name}, is a database",
            where=path,
            remedy=f"Rename {journal_of(real).name}; nothing was changed",
        )


def require_own(real: Path, path: Path) -> None:
    """Refuse, before SQLite has opened the file, a journal that another file left here."""
    try:
        if _is_own(journal_of(real), real):
            return
    except OSError as error:
        if error.errno != errno.EIO:
            return  # SQLite cannot read it either, and says so
        stands = "nothing was changed"
        raise disk_error(path, "the journal could not be read", stands) from error
    name = journal_of(real).name
    raise EmbedgeError(
        "E-GALLERY",
        f"the journal beside it, {name}, is of an interrupted writing to another file, or to"
        " another state of this one; nothing was changed",
        where=path,
        remedy=f"Remove {name} if you restored a backup; if the gallery was moved away from"
        f" here, bring {name} along to it",
    )


def _is_own(journal: Path, real: Path) -> bool:
    saved = _Saved.of(journal)
    if saved is None:
        return True
    there = real.exists()
    start, size = (_start(real, 2 * PAGE), real.stat().st_size) if there else (b"", 0)
    finished = _start(journal, len(saved.head)) != saved.head  # meanwhile, by its writer
    return finished or saved.fits(start, size)


def stamp(connection: Connection) -> int:
    """The first two pages that a writing saves; how many changes the connection has made then."""
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return connection.total_changes  # a new file, which has no such pages
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    row = connection.execute("SELECT value FROM header WHERE id = 1").fetchone()
    connection.execute(f"PRAGMA user_version={version}")
    if row is not None:  # in its place again: an update to the same would save nothing
        connection.execute("DELETE FROM header WHERE id = 1")
        connection.execute("INSERT INTO header VALUES (1, ?)", row)
    return connection.total_changes


@dataclass(frozen=True, slots=True)
class _Saved:
    """`pages` before the writing (0: it creates the file), the first two where they were saved;
    `synced` once the file itself may have been written."""

    head: bytes
    synced: bool
    pages: int
    first: bytes
    second: bytes

    @classmethod
    def of(cls, journal: Path) -> "_Saved | None":
        """None where nothing would be played back."""
        head = _start(journal, 28)
        if len(head) < 28 or not head.startswith(_MAGIC):
            return None
        count, _, pages, sector, size = (
            int.from_bytes(head[at : at + 4], "big") for at in range(8, 28, 4)
        )
        found, synced = dict[int, bytes](), count > 0
        with journal.open("rb") as stream:
            stream.seek(sector)
            while count and size == PAGE and len(found) < 2 and stream.tell() < _SEARCHED:
                record = stream.read(4 + PAGE + 4)
                if len(record) < 4 + PAGE + 4:
                    break
                number, count = int.from_bytes(record[:4], "big"), count - 1
                if number in (1, 2):
                    found[number] = record[4 : 4 + PAGE]
        return cls(head, synced, pages, found.get(1, b""), found.get(2, b""))

    def fits(self, start: bytes, size: int) -> bool:
        """Whether a file that begins like this, so long, is the one that was written to."""
        if size and not start.startswith(_SQLITE):
            return True  # too damaged to tell
        counter = _counter(start)
        if not self.pages:
            return counter <= 1
        if not size:
            return False  # created anew, where another was moved away
        if not self.synced:  # playing it back does nothing but cut the file to its length
            return size == self.pages * PAGE
        here, there = _GALLERY.search(start[PAGE:]), _GALLERY.search(self.second)
        if here and there and here[1] != there[1]:
            return False
        if not self.first:
            return True  # not written by this version
        before = _counter(self.first)
        return start[:PAGE] == self.first if counter == before else counter == before + 1


def _counter(page: bytes) -> int:
    return int.from_bytes(page[24:28], "big")


def _start(path: Path, length: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(length)
