"""An Ed25519 signature of a bundle, made and asked for offline.

What is signed may carry a version, which counts up, and the last day on which it may be used.
"""

import json
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError
from embedge.files import write_bytes
from embedge.runtime.bundle.bundle import SIGNATURE, Bundle
from embedge.runtime.bundle.signing_keys import private_key
from embedge.runtime.bundle.trust import FORMAT, Signature, fitting, key_id, require_trusted
from embedge.runtime.bundle.writer import put_bundle, text_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["require_signature", "sign_bundle", "sign_bytes", "signature_of"]


def sign_bundle(
    folder: Path,
    key: Path,
    password: bytes | None = None,
    *,
    version: int | None = None,
    expires: date | None = None,
) -> Signature:
    """Check the bundle, then put it, with the signature, in its own place, in one step.

    `version` must not be lower than the one it has; what is left out stays as it is.
    """
    if folder.is_file():
        raise EmbedgeError(
            "E-SIGN",
            "a zipped bundle cannot be signed",
            where=folder,
            remedy="Sign the folder, then zip it: the signature travels with it",
        )
    private = private_key(key, password)
    with Bundle.open(folder) as bundle:
        manifest = _dated(folder, bundle, version, expires)
        signature, text = _signed(manifest, private)
        files = {file: partial(bundle.read, file) for file in bundle.files}
        put_bundle(folder, bundle.name, {**files, SIGNATURE: text}, lambda: manifest, bundle)
    return signature


def sign_bytes(message: bytes, path: Path, key: Path, password: bytes | None = None) -> Signature:
    """Write the signature of `message` to `path`; an older one is replaced."""
    signature, text = _signed(message, private_key(key, password))
    write_bytes(path, text)
    return signature


def _signed(message: bytes, private: "Ed25519PrivateKey") -> tuple[Signature, bytes]:
    public = private.public_key().public_bytes_raw()
    signature = Signature(key_id(public), public)
    value = {
        "format": FORMAT,
        "algorithm": "Ed25519",
        "key_id": signature.key_id,
        "public_key": public.hex(),
        "signature": private.sign(message).hex(),
    }
    return signature, text_of(value)


def _dated(folder: Path, bundle: Bundle, version: int | None, expires: date | None) -> bytes:
    """The manifest with this version and last day; as it is where neither is given."""
    has = bundle.declared.version
    if version is not None and version < (has or 0):
        raise EmbedgeError(
            "E-SIGN",
            f"the bundle is version {has} already, {version} would be older",
            where=folder,
            remedy="Give a higher version",
        )
    given = {"version": version, "expires": expires and expires.isoformat()}
    changed = {name: value for name, value in given.items() if value is not None}
    return text_of(json.loads(bundle.manifest) | changed) if changed else bundle.manifest


def signature_of(bundle: Bundle) -> Signature | None:
    """The signature if there is one and it fits; a wrong one is an error, never None."""
    return fitting(bundle.manifest, bundle.signature, f"bundle {bundle.name}")


def require_signature(bundle: Bundle, trusted: Sequence[Path]) -> Signature:
    """The bundle's signature by one of the `trusted` public keys (PEM files), or an error.

    `Bundle.open(path, trusted=…)` asks before anything is unpacked, and asks for the date too.
    """
    return require_trusted(bundle.manifest, bundle.signature, trusted, f"bundle {bundle.name}")
