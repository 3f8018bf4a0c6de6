"""What is fixed about one writing of a gallery: its space, its kind of rows, its cipher."""

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from embedge.errors import EmbedgeError, ours
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.storage.failures import damage, key_error
from embedge.typed import Pattern, structured

__all__ = ["Digits", "Header", "new_header"]

Digits = Annotated[str, Pattern("([0-9a-f][0-9a-f]){0,32}", "hexadecimal")]


@dataclass(frozen=True, slots=True)
class Header:
    """`epoch` is new with every renewal; every seal is bound to the digest of all of this."""

    gallery: Digits
    epoch: Digits
    contract: EmbeddingContract
    rows: Literal["float32", "int8"]
    cipher: Literal["AES-256-GCM", "none"]
    key_check: Digits
    format: Literal["embedge.gallery/4"] = "embedge.gallery/4"

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes, path: Path) -> "Header":
        try:
            header = structured(cls, json.loads(raw))
        except ours((ValueError, RecursionError)) as error:
            raise damage(path, "its header cannot be read") from error
        if header.to_bytes() != raw:
            raise damage(path, "its header has been changed")
        return header

    @property
    def sealed(self) -> bool:
        return self.cipher != "none"

    def require_key(self, key: bytes | None, path: Path) -> None:
        """A key demands a sealed gallery, a sealed gallery its own key."""
        if not self.sealed and key is not None:
            raise key_error(
                path,
                "a key was given and this gallery is not encrypted: it may have been put in the"
                " place of one that is",
                "Put the encrypted gallery back; give no key where it is meant to be open",
            )
        if not self.sealed:
            return
        if key is None:
            raise key_error(
                path,
                "the gallery is encrypted and no key was given",
                "Give --key-file FILE, or set EMBEDGE_GALLERY_KEY",
            )
        if not hmac.compare_digest(self.key_check, _key_check(key, self.epoch)):
            raise key_error(
                path,
                "the key is not this gallery's key",
                "Use the key it was created with; without it nothing can be read",
            )


def new_header(
    contract: EmbeddingContract, rows: str, key: bytes | None, gallery: str | None = None
) -> Header:
    """With an epoch nobody has seen."""
    if rows not in ("float32", "int8"):
        raise EmbedgeError("E-ROWS", f"rows cannot be {rows}", remedy="Choose float32 or int8")
    epoch = os.urandom(16).hex()
    return Header(
        gallery=gallery or os.urandom(16).hex(),
        epoch=epoch,
        contract=contract,
        rows="int8" if rows == "int8" else "float32",
        cipher="none" if key is None else "AES-256-GCM",
        key_check="" if key is None else _key_check(key, epoch),
    )


def _key_check(key: bytes, epoch: str) -> str:
    return hmac.new(key, b"embedge key check" + epoch.encode(), hashlib.sha256).hexdigest()[:16]
