"""Who vouches for a bundle: an Ed25519 signature of its manifest, verified offline.

The manifest holds the digest of every file, so signing it signs them all. A signature says which
key signed; only the reader's own list of trusted public keys says whom that key belongs to. What
is signed may carry a version, which counts up, and the last day on which it may be used.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.printed import printable
from embedge.runtime.bundle.bundle import SIGNATURE, Bundle
from embedge.runtime.bundle.manifest import Manifest
from embedge.runtime.bundle.signing_keys import private_key, public_key
from embedge.runtime.bundle.writer import write_bundle

__all__ = [
    "Signature",
    "require_current",
    "require_signature",
    "require_trusted",
    "sign_bundle",
    "signature_of",
]

FORMAT = "embedge.signature/1"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that fits the manifest. `key_id` is the sha256 of the raw public key."""

    key_id: str
    public_key: bytes


def sign_bundle(
    folder: Path,
    key: Path,
    password: bytes | None = None,
    *,
    version: int | None = None,
    expires: date | None = None,
) -> Signature:
    """Check the bundle, then put the signature beside its manifest; an older one is replaced.

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
        manifest = bundle.manifest
        if version is not None or expires is not None:
            manifest = _dated(folder, bundle, version, expires)
    public = private.public_key().public_bytes_raw()
    value = {
        "format": FORMAT,
        "algorithm": "Ed25519",
        "key_id": _key_id(public),
        "public_key": public.hex(),
        "signature": private.sign(manifest).hex(),
    }
    write_json(folder / SIGNATURE, value)
    return Signature(value["key_id"], public)


def _dated(folder: Path, bundle: Bundle, version: int | None, expires: date | None) -> bytes:
    """The same bundle with a version and a last day, written whole or not at all."""
    has = bundle.declared.version
    if version is not None and version < (has or 0):
        raise EmbedgeError(
            "E-SIGN",
            f"the bundle is version {has} already, {version} would be older",
            where=folder,
            remedy="Give a higher version",
        )
    write_bundle(
        folder,
        name=bundle.name,
        contract=bundle.contract,
        artifacts=bundle.artifacts.values(),
        files={file: folder / file for file in bundle.files},
        provenance=bundle.provenance,
        default_artifact=bundle.default_artifact,
        extras=bundle.extras,
        version=has if version is None else version,
        expires=bundle.declared.expires if expires is None else expires,
    )
    with Bundle.open(folder) as written:
        return written.manifest


def signature_of(bundle: Bundle) -> Signature | None:
    """The signature if there is one and it fits; a wrong one is an error, never None."""
    return _fitting(bundle.manifest, bundle.signature, bundle.name)


def require_signature(bundle: Bundle, trusted: Sequence[Path]) -> Signature:
    """The bundle's signature by one of the `trusted` public keys (PEM files), or an error.

    `Bundle.open(path, trusted=…)` asks before anything is unpacked, and asks for the date too.
    """
    return require_trusted(bundle.manifest, bundle.signature, trusted, bundle.name)


def require_trusted(
    manifest: bytes, signature: bytes | None, trusted: Sequence[Path], name: str
) -> Signature:
    """The same for the bytes of a manifest that nobody has read yet."""
    keys = {public_key(path).public_bytes_raw() for path in trusted}
    found = _fitting(manifest, signature, name)
    if found is None:
        raise _untrusted(name, "it is not signed")
    if found.public_key not in keys:
        raise _untrusted(name, f"it was signed with the key {found.key_id[:16]}…, not trusted")
    return found


def require_current(manifest: Manifest, at_least: int | None, today: date | None = None) -> None:
    """Refuse what its signer has ended, and what is older than the reader knows there is."""
    day = today or datetime.now(UTC).date()
    if manifest.expires is not None and day > manifest.expires:
        raise EmbedgeError(
            "E-BUNDLE-EXPIRED",
            f"the bundle {manifest.name} may be used until {manifest.expires}, today is {day}",
            remedy="Ask whoever made it for a newer one, and check this device's clock",
        )
    if at_least is not None and (manifest.version is None or manifest.version < at_least):
        stated = "no version" if manifest.version is None else f"version {manifest.version}"
        raise EmbedgeError(
            "E-BUNDLE-OLD",
            f"the bundle {manifest.name} has {stated}, at least {at_least} is asked for",
            remedy="Use the newest bundle; somebody may have put an older one in its place",
        )


def _fitting(manifest: bytes, signature: bytes | None, name: str) -> Signature | None:
    if signature is None:
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        value = _fields(json.loads(signature))
        public = bytes.fromhex(value["public_key"])
        signed = bytes.fromhex(value["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signed, manifest)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _untrusted(name, f"its signature file cannot be read ({error})") from error
    except InvalidSignature as error:
        raise _untrusted(name, "its signature does not fit its manifest") from error
    if value["key_id"] != _key_id(public):
        raise _untrusted(name, "its signature names another key than it was made with")
    return Signature(value["key_id"], public)


def _fields(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    return {name: str(value[name]) for name in ("key_id", "public_key", "signature")}


def _key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def _untrusted(name: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-SIGNATURE",
        f"the bundle {printable(name)} is not vouched for: {printable(what)}",
        remedy="Ask whoever made it; do not use it where signatures are required",
    )
