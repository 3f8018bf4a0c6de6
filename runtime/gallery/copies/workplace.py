"""A new gallery is made in a private folder where nobody else can move it, beside its place if
nobody may there, and gets its name when it is whole.

SQLite opens files by their path (of /proc/self/fd it follows the link itself), so that a descriptor
holds nothing for it: the folder's own place has to be out of others' reach.
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedge.errors import EmbedgeError, Passing, ours
from embedge.files import sync_open
from embedge.runtime.gallery.storage import journal
from embedge.runtime.gallery.storage.database import is_there
from embedge.runtime.gallery.storage.failures import exists_already
from embedge.runtime.gallery.storage.registry import when_quiet_at

__all__ = ["Workplace", "left_behind", "require_free", "workplace"]

_NAMES = ".embedge-recovering"  # what those of killed ones begin with too
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL}
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Workplace:
    """`descriptor` is the folder itself."""

    path: Path
    descriptor: int

    def create(self, name: str) -> IO[bytes]:
        return os.fdopen(os.open(name, _NEW, 0o600, dir_fd=self.descriptor), "wb")

    def publish(self, name: str, target: Path, mode: int) -> None:
        """Nobody else's file is replaced, no journal of an earlier one is played back into it."""
        os.chmod(name, mode, dir_fd=self.descriptor)
        folder = os.open(journal.real_path(target.parent), _FOLDER)
        try:
            if _is_taken(target.name, folder):  # before its own journal is taken from it
                raise exists_already(target)
            with suppress(FileNotFoundError):
                os.unlink(journal.journal_of(target).name, dir_fd=folder)
            try:
                _rename(self.descriptor, name, folder, target)
            except ours(OSError) as error:
                if error.errno != errno.EXDEV:
                    raise
                self._bring(name, folder, target)
            sync_open(folder)
        finally:
            os.close(folder)

    def _bring(self, name: str, folder: int, target: Path) -> None:
        """To another file system, where others may put a file of theirs in the place of a part."""
        part = f"{_NAMES}-{secrets.token_hex(8)}"
        with (
            os.fdopen(os.open(name, _READ, dir_fd=self.descriptor), "rb") as of,
            os.fdopen(os.open(part, _NEW, 0o600, dir_fd=folder), "wb") as copy,
        ):
            try:
                shutil.copyfileobj(of, copy, _CHUNK)
                copy.flush()
                os.fchmod(copy.fileno(), os.fstat(of.fileno()).st_mode & 0o777)
                os.fsync(copy.fileno())
                _rename(folder, part, folder, target)
                ours = os.fstat(copy.fileno())
                if not os.path.samestat(ours, os.lstat(target.name, dir_fd=folder)):
                    raise PermissionError(errno.EPERM, "somebody else put a file in its place")
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder)


@contextmanager
def workplace(target: Path) -> Iterator[Workplace]:
    """What somebody left who was killed in theirs goes first."""
    beside, elsewhere = (journal.real_path(each) for each in (target.parent, tempfile.gettempdir()))
    own = next((each for each in (beside, elsewhere) if _nobody_moves_in(each)), None)
    if own is None:
        raise EmbedgeError(
            "E-WRITE",
            "others may move what is made in this folder, and in the one for temporary files,"
            f" {elsewhere}, too; nothing was made",
            where=target,
            remedy=f"Take the others' right to write from it: chmod go-w {beside}",
        )
    path, descriptor = _new_folder(own)
    made_by = os.getpid()  # a child that a handler forks in the midst of this ends by unwinding too
    try:
        try:
            _sweep(own, path)
            yield Workplace(path, descriptor)
        finally:
            if os.getpid() == made_by:
                _remove(path, descriptor)
    finally:
        os.close(descriptor)


def _new_folder(own: Path) -> tuple[Path, int]:
    """Locked for as long as it is open: nobody sweeps it then; whoever did before leaves none."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{_NAMES}-", dir=own))
        try:
            descriptor = os.open(path, _FOLDER)
        except FileNotFoundError:
            continue
        try:
            if not _is_ours(descriptor):
                raise PermissionError(errno.EPERM, f"{path.name} was replaced")
            _lock(descriptor, own)
            if journal.lies_there(path):
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            with Passing(OSError):  # it may be somebody else's
                path.rmdir()
            raise
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except ours(OSError) as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise EmbedgeError(
            "E-WRITE",
            "the file system of this folder has no locks, and without one others would take what"
            " is made here for something left behind; nothing was made",
            where=folder,
            remedy="Choose a place on a file system with locks (flock)",
        ) from error


def left_behind(folder: Path) -> list[Path]:
    """Folders that hold something after a kill only."""
    with Passing(OSError):
        found = sorted(each for each in folder.iterdir() if each.name.startswith(_NAMES))
        return [each for each in found if each.is_dir() and not each.is_symlink()]
    return []


def require_free(target: Path) -> None:
    journal.require_plain_name(target)
    if target.is_symlink() or is_there(target):
        raise exists_already(target)
    journal.require_alone(target, target)
    when_quiet_at(target, lambda: journal.require_own(target, target))


def _nobody_moves_in(folder: Path) -> bool:
    """Nor moves a folder that it lies in; whoever owns the root may anyway."""
    trusted = {os.geteuid(), os.stat("/").st_uid}  # noqa: PTH116
    for found in (each.stat() for each in (folder, *folder.parents)):
        shared = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if shared or found.st_uid not in trusted:
            return False
    return True


def _rename(source: int, name: str, folder: int, target: Path) -> None:
    """Not over a file that is there; over an empty one, as after an interrupted creation."""
    try:
        os.link(name, target.name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
    except ours(OSError) as error:  # where file systems have no links, too
        if error.errno == errno.EXDEV:
            raise
        if _is_taken(target.name, folder):
            raise exists_already(target) from error
        os.rename(name, target.name, src_dir_fd=source, dst_dir_fd=folder)
    else:
        os.unlink(name, dir_fd=source)


def _is_taken(name: str, folder: int) -> bool:
    with suppress(FileNotFoundError):
        found = os.lstat(name, dir_fd=folder)
        return found.st_size > 0 or not stat.S_ISREG(found.st_mode)
    return False


def _sweep(folder: Path, own: Path) -> None:
    for path in left_behind(folder):
        # somebody else's, gone, or of one who is at work
        with suppress(PermissionError, FileNotFoundError, BlockingIOError):
            descriptor = os.open(path, _FOLDER)
            try:
                if path != own and _is_ours(descriptor):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove(path, descriptor)
            finally:
                os.close(descriptor)


def _is_ours(descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _remove(path: Path, descriptor: int) -> None:
    for name in os.listdir(descriptor):
        os.unlink(name, dir_fd=descriptor)
    with Passing(OSError):  # it was moved away, and that is somebody else's
        path.rmdir()
