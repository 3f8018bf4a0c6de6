"""Files that appear in a folder, each once, when they have been written to their end."""

import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from embedge.errors import EmbedgeError, ours

__all__ = ["arriving_files"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
_SHORTEST, _LONGEST = 0.01, 3600.0
Look = dict[Path, tuple[int, int]]


def arriving_files(folder: Path, interval: float, *, once: bool = False) -> Iterator[Path]:
    """Yield pictures whose size and time are the same at two looks; changed files come again.

    Links, pipes and devices are passed over: whoever may write into the folder says what is in it,
    not what is read elsewhere. Memory holds one entry for each file in the folder, and forgets
    those that are gone. A folder that goes away is an error.
    """
    if not _SHORTEST <= interval <= _LONGEST:
        raise EmbedgeError(
            "E-OPTION",
            f"cannot look every {interval:g} seconds",
            remedy=f"Give an interval from {_SHORTEST:g} to {_LONGEST:g} seconds",
        )
    done: Look = {}
    before = _look(folder)
    while True:
        if not once:
            time.sleep(interval)
        now = _look(folder)
        settled = {path: facts for path, facts in now.items() if before.get(path) == facts}
        for path in sorted(settled):
            if done.get(path) != settled[path]:
                yield path
        done = {**{path: facts for path, facts in done.items() if path in now}, **settled}
        before = now
        if once:
            return


def _look(folder: Path) -> Look:
    found: Look = {}
    try:
        if not folder.stat().st_nlink:  # as the current one still may be
            raise FileNotFoundError(errno.ENOENT, "it was removed")
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                if path.suffix.lower() in _SUFFIXES and not entry.name.startswith("."):
                    _note(found, path)
    except ours(OSError) as error:
        raise EmbedgeError(
            "E-FOLDER",
            f"the folder cannot be read: {error.strerror}",
            where=folder,
            remedy="Create it, check its permissions, and start watching again",
        ) from error
    return found


def _note(found: Look, path: Path) -> None:
    try:
        facts = path.lstat()
    except ours(OSError):  # gone again already
        return
    if stat.S_ISREG(facts.st_mode):
        found[path] = (facts.st_size, facts.st_mtime_ns)
