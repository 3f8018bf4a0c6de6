"""A new gallery is made in a private folder beside its place, and gets its name when it is whole.

Others may write into the folder that it is to lie in: nothing of theirs is used or touched.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedge.files import sync
from embedge.runtime.gallery.storage.database import is_there, new_file
from embedge.runtime.gallery.storage.failures import busy, exists_already
from embedge.runtime.gallery.storage.journal import (
    journal_of,
    require_alone,
    require_own,
    require_plain_name,
)
from embedge.runtime.gallery.storage.registry import while_quiet_at

__all__ = ["Workplace", "left_behind", "require_free", "workplace"]

_NAMES = ".embedge-recovering"  # what those of killed ones begin with too
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Workplace:
    """`descriptor` is the folder itself, whatever its name leads to meanwhile."""

    path: Path
    descriptor: int

    def create(self, name: str) -> IO[bytes]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(name, flags, 0o600, dir_fd=self.descriptor), "wb")

    def publish(self, name: str, target: Path, mode: int) -> None:
        """Nobody else's file is replaced, no journal of an earlier one is played back into it."""
        new_file(target)
        journal_of(target).unlink(missing_ok=True)
        os.chmod(name, mode, dir_fd=self.descriptor)
        os.rename(name, target, src_dir_fd=self.descriptor)
        sync(target.parent)


@contextmanager
def workplace(target: Path) -> Iterator[Workplace]:
    """What somebody left who was killed in theirs goes first."""
    path = Path(tempfile.mkdtemp(prefix=f"{_NAMES}-", dir=target.parent))
    descriptor = os.open(path, _FOLDER)
    try:
        if not _is_ours(descriptor):
            raise PermissionError(f"{path.name} was replaced")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            _sweep(target, path)
            yield Workplace(path, descriptor)
        finally:
            _remove(path, descriptor)
    finally:
        os.close(descriptor)


def left_behind(folder: Path) -> list[Path]:
    """Folders that hold something after a kill only."""
    with suppress(OSError):
        found = sorted(each for each in folder.iterdir() if each.name.startswith(_NAMES))
        return [each for each in found if each.is_dir() and not each.is_symlink()]
    return []


def require_free(target: Path) -> None:
    require_plain_name(target)
    if target.is_symlink() or is_there(target):
        raise exists_already(target)
    require_alone(target, target)
    with while_quiet_at(target):
        require_own(target, target)


def _sweep(target: Path, own: Path) -> None:
    for path in left_behind(target.parent):
        with suppress(PermissionError, FileNotFoundError):  # somebody else's, or gone
            descriptor = os.open(path, _FOLDER)
            try:
                if path != own and _is_ours(descriptor):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(path, descriptor)
            except BlockingIOError as error:
                raise busy(target) from error
            finally:
                os.close(descriptor)


def _is_ours(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _remove(path: Path, descriptor: int) -> None:
    for name in os.listdir(descriptor):
        os.unlink(name, dir_fd=descriptor)
    with suppress(OSError):  # it was moved away, and that is somebody else's
        path.rmdir()
