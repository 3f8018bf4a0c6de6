"""What lies beside a gallery: its journal, played back only into its own file; nothing else.

SQLite knows a journal by its name alone, and plays one into whatever file now has that name. The
format is https://www.sqlite.org/fileformat.html#the_rollback_journal. A writing saves first the
file's first page, and writes into it the journal's own random number: `stamp`. While its journal
is hot, the file begins as was saved, or with that number.
"""

import errno
import os
import stat
from pathlib import Path
from sqlite3 import Connection

from embedge.errors import EmbedgeError, Passing, ours
from embedge.runtime.gallery.storage.failures import damage, disk_error, not_a_gallery
from embedge.runtime.gallery.storage.registry import beginning_of

__all__ = [
    "APPLICATION",
    "PAGE",
    "VERSION",
    "format_of",
    "journal_of",
    "lies_there",
    "logs_beside",
    "real_path",
    "require_alone",
    "require_no_foreign",
    "require_own",
    "require_page_size",
    "require_plain",
    "require_plain_name",
    "stamp",
]

PAGE = 4096
VERSION = 4
APPLICATION = 0x454D4247
_MAGIC = bytes.fromhex("d9d505f920a163d7")
_SQLITE = b"SQLite format 3"
_HEAD, _NONCE = 28, slice(12, 16)  # of a journal
_FIRST, _PAGE_SIZE = 100, slice(16, 18)  # of an SQLite file: its own header
_USER_VERSION, _PROGRAM = slice(60, 64), slice(68, 72)
_LOGS = ("-wal", "-shm")
_SUFFIXES = ("-journal", *_LOGS)
_LONGEST_NAME = 255 - len("-journal")  # bytes


def real_path(path: str | Path) -> Path:
    """Left to itself, os.path.realpath takes a deadline's exception for a name without a file."""
    try:
        return Path(os.path.realpath(path, strict=True))
    except ours(OSError):
        return Path(os.path.realpath(path))


def lies_there(path: str | Path) -> bool:
    """A link that leads nowhere does; os.path.lexists would let a deadline's exception go."""
    try:
        os.lstat(path)
    except ours((OSError, ValueError)):
        return False
    return True


def journal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def require_plain_name(path: Path) -> None:
    """SQLite takes such a file for a part of another one, and deletes it."""
    if path.name.endswith(_SUFFIXES):
        raise EmbedgeError(
            "E-GALLERY-NAME",
            f"no gallery's or key's name ends in {', '.join(_SUFFIXES)}: it would be taken for the"
            " journal of a gallery",
            where=path,
            remedy="Choose another name",
        )
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise EmbedgeError(
            "E-GALLERY-NAME",
            f"a gallery's or key's name has at most {_LONGEST_NAME} bytes: a longer one leaves no"
            " room for its journal's",
            where=path,
            remedy="Choose a shorter name",
        )


def require_alone(real: Path, path: Path) -> None:
    """SQLite writes what lies beside a file as its log into the file, or deletes it: no gallery of
    ours has one. Its journal is one.
    """
    if names := " and ".join(logs_beside(real)):
        what = f"{names} beside it: a log of another file, or of another program's writings"
        remedy = f"Close every program that has the gallery open, then move {names} away"
        raise EmbedgeError("E-GALLERY", f"{what}; nothing was changed", where=path, remedy=remedy)
    require_plain(real, path)


def logs_beside(real: Path) -> list[str]:
    return [each.name for end in _LOGS if lies_there(each := Path(f"{real}{end}"))]


def require_plain(real: Path, path: Path) -> None:
    """SQLite would wait for ever for somebody to write into a pipe, and empties what is no
    journal."""
    journal = journal_of(real)
    try:
        found = journal.lstat()
    except ours(OSError):
        return
    if not stat.S_ISREG(found.st_mode):
        raise damage(path, "what lies beside it as its journal is not a file")
    start = b""
    with Passing(OSError):  # which SQLite meets too, and tells of
        start = _start(journal, len(_MAGIC))
    if not _MAGIC.startswith(start.rstrip(b"\0")):  # a journal, one at rest, or a torn beginning
        raise EmbedgeError(
            "E-GALLERY",
            f"what lies beside it as its journal, {journal.name}, is none; nothing was changed",
            where=path,
            remedy=f"Move {journal.name} away",
        )


def require_no_foreign(real: Path, path: Path) -> None:
    """Before SQLite opens another program's database, plays back its journal or ends its log."""
    start = b""
    with Passing(OSError):  # which SQLite meets too, and tells of
        start = _start(real, _FIRST)
    if start.startswith(_SQLITE) and start[_PROGRAM] != APPLICATION.to_bytes(4, "big"):
        raise not_a_gallery(path)
    if start.startswith(_SQLITE):
        require_page_size(int.from_bytes(start[_PAGE_SIZE], "big"), path)


def require_page_size(found: int, path: Path) -> None:
    """Its journal would not be known for its own, nor its rows be found wherever they lie."""
    if found == PAGE:
        return
    raise EmbedgeError(
        "E-GALLERY-FORMAT",
        f"its pages have {found if found > 1 else 65536} bytes, a gallery's have {PAGE}: another"
        " program has written it anew (VACUUM); nothing was changed",
        where=path,
        remedy=f"Let it write pages of {PAGE}: sqlite3 FILE 'PRAGMA page_size={PAGE}; VACUUM'",
    )


def require_own(real: Path, path: Path, stands: str = "nothing was changed") -> None:
    """Refuse, before SQLite plays it back, a journal that another file left here."""
    try:
        if _is_own(journal_of(real), real):
            return
    except ours(OSError) as error:
        if error.errno != errno.EIO:
            return  # SQLite cannot read it either, and says so
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


def stamp(connection: Connection, real: Path) -> int:
    """Tie the first page, which is the first that a writing saves, to the journal that saves it;
    how many changes the connection has made then."""
    (before,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version={before or VERSION}")  # the journal begins
    nonce = _start(journal_of(real), _HEAD)[_NONCE]
    connection.execute(f"PRAGMA user_version={VERSION | _tie(nonce) << 8}")
    return connection.total_changes


def format_of(version: int) -> int:
    """Of SQLite's `user_version`, whose upper bits are the last writing's tie."""
    return version & 0xFF


def _tie(nonce: bytes) -> int:
    return int.from_bytes(nonce, "big") & 0x7FFFFF


def _is_own(journal: Path, real: Path) -> bool:
    """Whether nothing would be played back, or into the file that was written to."""
    head = _start(journal, _HEAD)
    if head[:1] == _MAGIC[:1] and _names_another(journal):
        return False
    if len(head) < _HEAD or not head.startswith(_MAGIC):
        return True
    count, pages, sector, page = (
        int.from_bytes(head[at : at + 4], "big") for at in (8, 16, 20, 24)
    )
    with journal.open("rb") as stream:
        stream.seek(sector)
        number, first = stream.read(4), stream.read(_FIRST)
    there = lies_there(real)
    start, size = (beginning_of(real, _FIRST), real.stat().st_size) if there else (b"", 0)
    if _start(journal, _HEAD) != head:
        return True  # finished meanwhile, by its writer
    if size and not start.startswith(_SQLITE):
        return True  # too damaged to tell
    here, before = (int.from_bytes(each[_USER_VERSION], "big") for each in (start, first))
    tied = here >> 8 == _tie(head[_NONCE])
    if not pages or not size:  # it creates the file; or another was moved away from here
        return not pages and (tied or not size)
    if not count:  # the file was not written yet: played back, it is cut to its length
        return size == pages * PAGE
    if page != PAGE or number != b"\0\0\0\1":
        return False  # no gallery's
    compacted = here == before and _counter(start) == _counter(first) + 1  # which ties nothing
    return start == first or tied or compacted


def _names_another(journal: Path) -> bool:
    """Whether it ends in the name of a file that SQLite would read, and delete (-mj...)."""
    with journal.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(size - len(_MAGIC), 1))
        return stream.read() == _MAGIC


def _counter(page: bytes) -> int:
    return int.from_bytes(page[24:28], "big")


def _start(path: Path, length: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(length)
