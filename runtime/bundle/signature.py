"""Who vouches for a bundle: an Ed25519 signature of its manifest, verified offline.

The manifest holds the digest of every file, so signing it signs them all. A signature says which
key signed; only the reader's own list of trusted public keys says whom that key belongs to.
"""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.runtime.bundle.bundle import SIGNATURE, Bundle

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = [
    "PASSWORD_VARIABLE",
    "Signature",
    "new_signing_key",
    "require_signature",
    "require_trusted",
    "sign_bundle",
    "sign_bytes",
    "signature_of",
    "signer_of",
]

FORMAT = "embedge.signature/1"
PASSWORD_VARIABLE = "EMBEDGE_SIGNING_PASSWORD"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that fits the manifest. `key_id` is the sha256 of the raw public key."""

    key_id: str
    public_key: bytes


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


def sign_bundle(folder: Path, key: Path, password: bytes | None = None) -> Signature:
    """Check the bundle, then put the signature beside its manifest; an older one is replaced."""
    if folder.is_file():
        raise EmbedgeError(
            "E-SIGN",
            "a zipped bundle cannot be signed",
            where=folder,
            remedy="Sign the folder, then zip it: the signature travels with it",
        )
    with Bundle.open(folder) as bundle:
        manifest = bundle.manifest
    return sign_bytes(manifest, folder / SIGNATURE, key, password)


def sign_bytes(message: bytes, path: Path, key: Path, password: bytes | None = None) -> Signature:
    """Write the signature of `message` to `path`; an older one is replaced."""
    private = _private_key(key, password)
    public = private.public_key().public_bytes_raw()
    value = {
        "format": FORMAT,
        "algorithm": "Ed25519",
        "key_id": _key_id(public),
        "public_key": public.hex(),
        "signature": private.sign(message).hex(),
    }
    write_json(path, value)
    return Signature(value["key_id"], public)


def signature_of(bundle: Bundle) -> Signature | None:
    """The signature if there is one and it fits; a wrong one is an error, never None."""
    if bundle.signature is None:
        return None
    return signer_of(bundle.manifest, bundle.signature, f"bundle {bundle.name}")


def signer_of(message: bytes, signature: bytes, what: str) -> Signature:
    """Who signed the message, or an error if this is no signature of it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        value = _fields(json.loads(signature))
        public = bytes.fromhex(value["public_key"])
        signed = bytes.fromhex(value["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _untrusted(what, f"its signature file cannot be read ({error})") from error
    except InvalidSignature as error:
        raise _untrusted(what, "its signature does not fit it") from error
    if value["key_id"] != _key_id(public):
        raise _untrusted(what, "its signature names another key than it was made with")
    return Signature(value["key_id"], public)


def require_signature(bundle: Bundle, trusted: Sequence[Path]) -> Signature:
    """The bundle's signature by one of the `trusted` public keys (PEM files), or an error."""
    return require_trusted(signature_of(bundle), trusted, f"bundle {bundle.name}")


def require_trusted(found: Signature | None, trusted: Sequence[Path], what: str) -> Signature:
    keys = {_public_key(path).public_bytes_raw() for path in trusted}
    if found is None:
        raise _untrusted(what, "it is not signed")
    if found.public_key not in keys:
        raise _untrusted(what, f"it was signed with the key {found.key_id[:16]}…, not trusted")
    return found


def _fields(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    return {name: str(value[name]) for name in ("key_id", "public_key", "signature")}


def _private_key(path: Path, password: bytes | None) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise _bad_key(path, "other users may read the private key", f"chmod 600 {path}")
    try:
        key = load_pem_private_key(data, password)
    except (ValueError, TypeError) as error:
        remedy = f"Check the file, and {PASSWORD_VARIABLE} if it is locked"
        raise _bad_key(path, f"the private key does not open ({error})", remedy) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _bad_key(path, "this is no Ed25519 key", "Make one: embedge sign new-key FILE")
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except ValueError as error:
        raise _bad_key(path, "this is no public key", "Give the .pub file of the key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key(path, "this is no Ed25519 key", "Give the .pub file of the key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"the key cannot be read: {error.strerror}"
        raise _bad_key(path, why, "Check the path and its permissions") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def _unwritable(path: Path, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-WRITE",
        f"the key cannot be written: {why}",
        where=path,
        remedy="Choose a new file; keys are never overwritten",
    )


def _bad_key(path: Path, what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-SIGNING-KEY", what, where=path, remedy=remedy)


def _untrusted(what: str, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-SIGNATURE",
        f"the {what} is not vouched for: {why}",
        remedy="Ask whoever made it; do not use it where signatures are required",
    )
