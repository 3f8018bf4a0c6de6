"""Ed25519 keys as PEM files: made once, read only where nobody else may read the private one."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError, ours
from embedge.runtime.reading import read_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = ["PASSWORD_VARIABLE", "new_signing_key", "private_key", "public_key"]

_LARGEST_KEY = 1 << 16
PASSWORD_VARIABLE = "EMBEDGE_SIGNING_PASSWORD"


def new_signing_key(path: Path, password: bytes | None = None) -> Path:
    """Write a private key (PEM, its owner's only) and `path` + `.pub`; nothing is overwritten."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    locked = forms.BestAvailableEncryption(password) if password else forms.NoEncryption()
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, locked)
    public = key.public_key().public_bytes(
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    beside = path.with_name(f"{path.name}.pub")
    if beside.exists():
        raise _unwritable(beside, "it exists already")
    _write_new(path, private, 0o600)
    _write_new(beside, public, 0o644)
    return beside


def private_key(path: Path, password: bytes | None) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise _bad_key(path, "other users may read the private key", f"chmod 600 {path}")
    try:
        key = load_pem_private_key(data, password)
    except ours((ValueError, TypeError)) as error:
        remedy = f"Check the file, and {PASSWORD_VARIABLE} if it is locked"
        raise _bad_key(path, f"the private key does not open ({error})", remedy) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key(path, "this is no Ed25519 key", "Make one: embedge sign new-key FILE")
    return key


def public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except ours(ValueError) as error:
        raise _bad_key(path, "this is no public key", "Give the .pub file of the key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key(path, "this is no Ed25519 key", "Give the .pub file of the key")
    return key


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, _LARGEST_KEY)
    except ours(OSError) as error:
        why = f"the key cannot be read: {error.strerror}"
        raise _bad_key(path, why, "Check the path and its permissions") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except ours(OSError) as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-WRITE",
        f"the key cannot be written: {why}",
        where=path,
        remedy="Choose a new file; keys are never overwritten",
    )


def _bad_key(path: Path, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-SIGNING-KEY", what, where=path, remedy=remedy)
