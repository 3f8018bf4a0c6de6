"""An Ed25519 signature of a bundle, made and asked for offline.

What is signed may carry a version, which counts up, and the last day on which it may be used.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.runtime.bundle.bundle import SIGNATURE, Bundle
from embedge.runtime.bundle.signing_keys import private_key
from embedge.runtime.bundle.trust import FORMAT, Signature, fitting, key_id, require_trusted
from embedge.runtime.bundle.writer import write_bundle

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
    return _written(manifest, folder / SIGNATURE, private)


def sign_bytes(message: bytes, path: Path, key: Path, password: bytes | None = None) -> Signature:
    """Write the signature of `message` to `path`; an older one is replaced."""
    return _written(message, path, private_key(key, password))


def _written(message: bytes, path: Path, private: "Ed25519PrivateKey") -> Signature:
    public = private.public_key().public_bytes_raw()
    value = {
        "format": FORMAT,
        "algorithm": "Ed25519",
        "key_id": key_id(public),
        "public_key": public.hex(),
        "signature": private.sign(message).hex(),
    }
    write_json(path, value)
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
    return fitting(bundle.manifest, bundle.signature, f"bundle {bundle.name}")


def require_signature(bundle: Bundle, trusted: Sequence[Path]) -> Signature:
    """The bundle's signature by one of the `trusted` public keys (PEM files), or an error.

    `Bundle.open(path, trusted=…)` asks before anything is unpacked, and asks for the date too.
    """
    return require_trusted(bundle.manifest, bundle.signature, trusted, f"bundle {bundle.name}")
