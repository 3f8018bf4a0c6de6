"""Files that appear in a folder, each once, when they have been written to their end."""

import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["arriving_files"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
Look = dict[Path, tuple[int, int]]


def arriving_files(folder: Path, interval: float, *, once: bool = False) -> Iterator[Path]:
    """Yield pictures whose size and time are the same at two looks; changed files come again.

    Memory holds one entry for each file in the folder, and forgets those that are gone.
    """
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
    for path in folder.iterdir():
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            try:
                facts = path.stat()
            except FileNotFoundError:  # gone again already
                continue
            found[path] = (facts.st_size, facts.st_mtime_ns)
    return found
