"""Whether the bytes of a manifest, or of a bridge's header, may be believed before they are parsed.

They hold the digest of everything else, so signing them signs it all. A signature says which
key signed; only the reader's own list of trusted public keys says whom that key belongs to.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, ours
from embedge.printed import printable
from embedge.runtime.bundle.manifest import Manifest
from embedge.runtime.bundle.signing_keys import public_key

__all__ = ["FORMAT", "Signature", "fitting", "key_id", "require_current", "require_trusted"]

FORMAT = "embedge.signature/1"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that fits what it signs. `key_id` is the sha256 of the raw public key."""

    key_id: str
    public_key: bytes


def require_trusted(
    message: bytes, signature: bytes | None, trusted: Sequence[Path], what: str
) -> Signature:
    """The signature of `message` by one of these public keys (PEM files), or an error."""
    keys = {public_key(path).public_bytes_raw() for path in trusted}
    found = fitting(message, signature, what)
    if found is None:
        raise _untrusted(what, "it is not signed")
    if found.public_key not in keys:
        raise _untrusted(what, f"it was signed with the key {found.key_id[:16]}…, not trusted")
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


def fitting(message: bytes, signature: bytes | None, what: str) -> Signature | None:
    """The signature if there is one and it fits; a wrong one is an error, never None."""
    if signature is None:
        return None
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        value = _fields(json.loads(signature))
        public = bytes.fromhex(value["public_key"])
        signed = bytes.fromhex(value["signature"])
        Ed25519PublicKey.from_public_bytes(public).verify(signed, message)
    except ours((ValueError, KeyError, TypeError, RecursionError)) as error:
        raise _untrusted(what, f"its signature file cannot be read ({error})") from error
    except InvalidSignature as error:
        raise _untrusted(what, "its signature does not fit it") from error
    if value["key_id"] != key_id(public):
        raise _untrusted(what, "its signature names another key than it was made with")
    return Signature(value["key_id"], public)


def _fields(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    return {name: str(value[name]) for name in ("key_id", "public_key", "signature")}


def key_id(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()


def _untrusted(what: str, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-SIGNATURE",
        f"the {printable(what)} is not vouched for: {printable(why)}",
        remedy="Ask whoever made it; do not use it where signatures are required",
    )
