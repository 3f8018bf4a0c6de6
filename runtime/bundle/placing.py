"""A new folder takes an old one's place in one step; what a killed writer left is put right."""

import ctypes
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from embedge.errors import Passing

__all__ = ["new_folder", "put_back"]

_CURRENT, _EXCHANGE = -100, 2  # Linux's AT_FDCWD and RENAME_EXCHANGE


@contextmanager
def new_folder(place: Path, check: Callable[[], None]) -> Iterator[Path]:
    """A folder beside `place` that takes its place when it is whole, if `check` still allows it."""
    put_back(place)
    with ExitStack() as living:
        with _alone(place.parent) as alone:
            for left in _beside(place, "part|old") if alone else ():
                with Passing(OSError), _alone(left, tries=1) as dead:
                    if dead:
                        _discard(left)
            made = tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
            living.callback(_discard, part := Path(made))
            living.enter_context(_alone(part))  # nobody sweeps it then
        yield part
        with _alone(place.parent):
            check()
            if not place.exists():
                part.rename(place)
            elif not _exchanged(part, place):
                _replaced(part, place)


def put_back(place: Path) -> Path | None:
    """Undo what a killed writer did by halves; the answer is what ought to be in this place yet."""
    last = None
    with Passing(OSError), _alone(place.parent) as alone:  # a living writer is waited for
        if not os.path.lexists(place) and (moved := _beside(place, "old")):
            last = max(moved, key=lambda each: each.stat().st_ctime_ns)
            if alone:
                last.rename(place)
                last = None
    return last


def _exchanged(one: Path, other: Path) -> bool:
    """Both names at once; False where the system or the file system does not know how."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(one), os.fsencode(other)
    return call is not None and call(_CURRENT, names[0], _CURRENT, names[1], _EXCHANGE) == 0


def _replaced(part: Path, place: Path) -> None:
    """In two steps; only between them anything has the name that `put_back` looks for."""
    old = part.with_suffix(".old")
    try:
        place.rename(old)
        part.rename(place)
    finally:
        if os.path.lexists(old):
            old.rename(part if os.path.lexists(place) else place)


@contextmanager
def _alone(folder: Path, tries: int = 100) -> Iterator[bool]:
    """Whether nobody else has it: there are no locks on NFS, and some may write, but not read."""
    descriptor = -1
    with Passing(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor >= 0 and _locked(descriptor, tries)
    finally:
        if descriptor >= 0:
            with Passing(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # the child of a fork has it open, too
            os.close(descriptor)


def _locked(descriptor: int, tries: int) -> bool:
    with Passing(OSError):
        for _ in range(tries):  # others need it for a moment only
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.01)
    return False


def _beside(place: Path, endings: str) -> list[Path]:
    name = re.compile(rf"\.{re.escape(place.name)}\.\w{{8}}\.({endings})")
    found = [each for each in place.parent.iterdir() if name.fullmatch(each.name)]
    return [each for each in found if each.is_dir() and not each.is_symlink()]


def _discard(folder: Path) -> None:
    """As much of it as may be removed; the rest is swept by whoever may."""
    with Passing(OSError):
        for inside, _, _ in os.walk(folder):
            Path(inside).chmod(0o700)  # what is deployed is often protected from being written to
    shutil.rmtree(folder, onerror=_left)


def _left(_: object, __: str, told: tuple[type[BaseException], BaseException, object]) -> None:
    with Passing(OSError):
        raise told[1]
