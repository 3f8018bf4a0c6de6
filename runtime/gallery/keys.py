"""The gallery's key: from a file or the environment, never from a command line."""

import errno
import os
import select
import stat
from pathlib import Path

from embedge.errors import EmbedgeError, Passing, ours
from embedge.files import sync
from embedge.runtime.gallery.storage.journal import require_plain_name

__all__ = [
    "KEY_VARIABLE",
    "checked_key",
    "checked_key_or_none",
    "derived",
    "find_key",
    "key_from_file",
    "key_from_text",
    "new_key_file",
]

KEY_VARIABLE = "EMBEDGE_GALLERY_KEY"
_BYTES = 32
_PATIENCE = 10  # seconds
_LONGEST_FILE = 4096  # a device may have no end


def find_key(key_file: Path | None) -> bytes | None:
    """The key of the file, else of the environment, else none."""
    if key_file is not None:
        return key_from_file(key_file)
    text = os.environ.get(KEY_VARIABLE)
    return None if text is None else key_from_text(text, KEY_VARIABLE)


def key_from_file(path: Path) -> bytes:
    """32 bytes as 64 hexadecimal digits; a file that others may read is refused."""
    try:
        mode, text = _mode_and_text(path)
    except ours((OSError, ValueError)) as error:  # ValueError: a null byte in the name
        why = getattr(error, "strerror", None) or error
        raise _bad_key(f"the key file cannot be read: {why}", path) from error
    if stat.S_IMODE(mode) & 0o077:
        remedy = f"Restrict it: chmod 600 {path}"
        raise EmbedgeError("E-KEY", "other users may read the key file", where=path, remedy=remedy)
    return key_from_text(text.decode("ascii", "replace"), path)


def _mode_and_text(path: Path) -> tuple[int, bytes]:
    """A pipe is read as well, as of <(...), but waited for only so long."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        ready, text = select.poll(), b""
        ready.register(stream, select.POLLIN)
        while len(text) < _LONGEST_FILE:
            if not ready.poll(1000 * _PATIENCE):
                raise TimeoutError(errno.ETIMEDOUT, f"nothing was written into it in {_PATIENCE} s")
            if not (part := stream.read(_LONGEST_FILE - len(text))):
                break
            text += part
        return os.fstat(stream.fileno()).st_mode, text


def key_from_text(text: str, where: str | Path) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ours(ValueError) as error:
        raise _bad_key("the key is not hexadecimal", where) from error
    return checked_key(key, where)


def checked_key(key: object, where: str | Path | None = None) -> bytes:
    """A copy, as its owner may wipe theirs; a short or empty one is nobody's."""
    if not isinstance(key, bytes | bytearray):
        raise _bad_key(f"a key is bytes, not {type(key).__name__}", where)
    if len(kept := bytes(key)) != _BYTES:
        raise _bad_key(f"the key has {len(kept)} bytes, not {_BYTES}", where)
    return kept


def checked_key_or_none(key: object, where: str | Path | None = None) -> bytes | None:
    """No key at all is the caller's affair."""
    return None if key is None else checked_key(key, where)


def new_key_file(path: Path) -> None:
    """Write a fresh random key, readable by its owner only; nothing is overwritten."""
    require_plain_name(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(os.urandom(_BYTES).hex() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            sync(path.parent)
        except BaseException:
            with Passing(OSError):  # the first failure is told
                path.unlink()
            raise
    except ours((OSError, ValueError)) as error:
        what = f"cannot write the key file: {getattr(error, 'strerror', None) or error}"
        remedy = "Choose a new file; an existing key is never overwritten"
        raise EmbedgeError("E-WRITE", what, where=path, remedy=remedy) from error


def derived(key: bytes, salt: bytes, purpose: str, length: int = _BYTES) -> bytes:
    """A key for one purpose and one file, so that no two uses share one."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"embedge gallery {purpose}".encode()
    return HKDF(hashes.SHA256(), length, salt, info).derive(key)


def _bad_key(what: str, where: str | Path | None) -> EmbedgeError:
    remedy = "A key is 64 hexadecimal digits; make one with: embedge gallery new-key FILE"
    return EmbedgeError("E-KEY", what, where=where, remedy=remedy)
