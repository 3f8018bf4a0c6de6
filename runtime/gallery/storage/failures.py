"""What can go wrong with a gallery's file, each by its own name and with the truth about it."""

import errno
import os
import resource
import shlex
import sqlite3
from pathlib import Path

from embedge.errors import EmbedgeError, ours

__all__ = [
    "FAILURES",
    "Failure",
    "as_path",
    "busy",
    "damage",
    "database_error",
    "disk_error",
    "exists_already",
    "forked",
    "format_error",
    "key_error",
    "missing",
    "not_a_gallery",
    "open_error",
    "put_in",
    "within",
    "write_error",
]

# the last: SQLite's own words about a damaged file may hold bytes of it
Failure = sqlite3.Error | OSError | UnicodeDecodeError
FAILURES = (sqlite3.Error, OSError, UnicodeDecodeError)
_OLD_MAGIC = b"EMBEDGE-GALLERY"
_FULL = {errno.ENOSPC, errno.EDQUOT}


def damage(path: Path, what: str) -> EmbedgeError:
    what = f"this gallery is damaged or was tampered with: {what}"
    remedy = (
        "Bring its -journal along if it was moved; else restore it from a copy, removing the"
        " -journal there, or salvage what is whole: embedge gallery recover"
    )
    return EmbedgeError("E-GALLERY", what, where=path, remedy=remedy)


def key_error(path: str | Path, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-KEY", what, where=path, remedy=remedy)


def missing(path: Path, what: str, remedy: str) -> EmbedgeError:
    what = f"the gallery cannot be opened: {what}"
    return EmbedgeError("E-GALLERY-MISSING", what, where=path, remedy=remedy)


def not_a_gallery(path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY", "this file is not a gallery", where=path, remedy="Give a gallery's file"
    )


def as_path(path: object) -> Path:
    if isinstance(path, str | Path):
        path = Path(path)
        if not _is_name(path):
            raise missing(path, "no file can have this name", "Choose another name")
        try:
            _ = path.is_absolute() or Path.cwd()
        except ours(OSError) as error:
            what, remedy = "the current folder is gone", "Change to one that is there"
            raise missing(path, what, f"{remedy}, or give the whole path") from error
        return path
    what = f"a file's name is text or a Path, not {type(path).__name__}"
    raise missing(Path(str(path)), what, "Give the gallery's file")


def _is_name(path: Path) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def exists_already(path: Path) -> EmbedgeError:
    what, remedy = "there is a file here already", "Choose another name, or enrol into that gallery"
    try:
        path.stat()
    except ours(OSError):
        what, remedy = "a link that leads nowhere is here", "Choose another name, or remove it"
    return EmbedgeError("E-GALLERY-EXISTS", what, where=path, remedy=remedy)


def busy(path: Path) -> EmbedgeError:
    what = "another process has held this gallery for too long, or its file system has no locks"
    remedy = "Wait for it to finish and try again (NFS needs its lock service); nothing was changed"
    return EmbedgeError("E-GALLERY-BUSY", what, where=path, remedy=remedy)


def within() -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY-WITHIN",
        "this gallery was called in the midst of a call of the same thread's: by a signal's"
        " handler, a finalizer or a callback, or by what it was given to do (look); nothing was"
        " done, the call under way goes on",
        remedy="Note there what is to be done, and do it once the call under way has ended",
    )


def forked(path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY-FORKED",
        "this process was forked in the midst of a gallery's call, whose transaction and locks are"
        " the parent's; nothing was done here",
        where=path,
        remedy="Fork while no call is under way, or start a new program",
    )


def write_error(path: Path, why: str, stands: str) -> EmbedgeError:
    what = f"cannot write the gallery: {why}; {stands}"
    remedy = "Check the disk and the permissions, the folder's too, or free some space; try again"
    return EmbedgeError("E-WRITE", what, where=path, remedy=remedy)


def disk_error(path: Path, why: str, stands: str) -> EmbedgeError:
    what = f"the disk failed under the gallery ({why}); {stands}"
    remedy = "Look into the system's log for the disk's errors, then try again"
    return EmbedgeError("E-GALLERY-IO", what, where=path, remedy=remedy)


def database_error(error: Failure, path: Path, stands: str) -> EmbedgeError:
    """`stands` says what is in the file now."""
    if isinstance(error, UnicodeDecodeError):
        return damage(path, "it holds other bytes where text should be")
    if isinstance(error, OSError):
        why = "the disk is full" if error.errno in _FULL else str(error.strerror or error)
        if error.errno == errno.EFBIG:
            why = _limit() or why
        return write_error(path, why, stands)
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return busy(path)
        case sqlite3.SQLITE_AUTH:
            return forked(path)
        case sqlite3.SQLITE_FULL:
            return write_error(path, "the disk is full", stands)
        case sqlite3.SQLITE_READONLY if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK:
            what = "a writing of it was interrupted, and this user may not write to it to undo that"
            return missing(path, what, "Open it once as a user who may write to it")
        case sqlite3.SQLITE_READONLY:
            return write_error(path, "the file or its file system is read-only", stands)
        case sqlite3.SQLITE_CANTOPEN:
            return write_error(path, "it or its journal cannot be opened", stands)
        case sqlite3.SQLITE_IOERR if why := _not_the_disk(error, path):
            return write_error(path, why, stands)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM:
            return disk_error(path, str(error.sqlite_errorname), stands)
    return damage(path, str(error))  # malformed pages, a row of another type, no such table


def open_error(error: Failure, path: Path, *, alone: bool) -> EmbedgeError:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return _cannot_open(error, path)
        case sqlite3.SQLITE_NOTADB if alone:
            try:
                with path.open("rb") as stream:
                    start = stream.read(16)
            except ours(OSError) as failure:
                return database_error(failure, path, "nothing was changed")
            if start.startswith(_OLD_MAGIC):
                return format_error(path, "it was written in a format that is no longer read")
            if not start.startswith(b"SQLite format 3"):
                return not_a_gallery(path)
    return database_error(error, path, "nothing was changed")


def _cannot_open(error: Exception, path: Path) -> EmbedgeError:
    """What keeps SQLite from it, which it does not tell apart."""
    journal = Path(f"{os.path.realpath(path)}-journal")
    if os.access(journal, os.F_OK) and not os.access(journal, os.R_OK | os.W_OK):
        what = f"this user may not read and write its journal, {journal.name}"
        remedy = f"Give it the gallery's: chmod --reference={path.name} {journal.name}"
        return missing(path, what, remedy)
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except ours(OSError) as none_left:
        what = str(none_left.strerror)
        return missing(path, what, "Close files that are open, or allow more of them (ulimit -n)")
    return missing(path, str(error), "Check its permissions, and those of its folder")


def put_in(path: Path, foreign: list[str]) -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY",
        f"another program has put something of its own in: {', '.join(foreign)}",
        where=path,
        remedy=f"Keep a copy, then take it out: sqlite3 FILE {shlex.quote(f'DROP {foreign[0]}')}",
    )


def format_error(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-GALLERY-FORMAT",
        f"this gallery cannot be read here: {what}",
        where=path,
        remedy="Use the version of embedge that wrote it, or enrol again into a new file",
    )


def _not_the_disk(error: sqlite3.Error, path: Path) -> str:
    """What else makes a writing fail, which SQLite does not tell apart."""
    if error.sqlite_errorcode != sqlite3.SQLITE_IOERR_WRITE:
        return ""
    journal = f"{os.path.realpath(path)}-journal"
    if os.path.lexists(journal) and not os.access(journal, os.W_OK):
        return f"this user may not write its journal, {Path(journal).name}"
    limit = _limit()
    return limit and f"{limit}, or the disk failed"


def _limit() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    unlimited = limit == resource.RLIM_INFINITY
    return "" if unlimited else f"no file may grow beyond {limit} bytes here (ulimit -f)"
