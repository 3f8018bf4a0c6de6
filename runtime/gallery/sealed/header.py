"""What is fixed about one writing of a gallery: its space, its kind of rows, its cipher."""

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.keys import checked_key
from embedge.runtime.gallery.storage.failures import damage, key_error

__all__ = ["Header", "new_header"]

_FORMAT = "embedge.gallery/2"
_SEALED, _PLAIN = "AES-256-GCM", "none"
_BROKEN = (EmbedgeError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Header:
    """`epoch` is new with every renewal; every seal is bound to the digest of all of this."""

    gallery: str
    epoch: str
    contract: EmbeddingContract
    rows: str  # "float32" or "int8"
    cipher: str
    key_check: str

    def to_bytes(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields |= {"format": _FORMAT, "contract": self.contract.to_json()}
        return json.dumps(fields, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes, path: Path) -> "Header":
        try:
            fields: dict[str, Any] = json.loads(raw)
            known = fields.pop("format") == _FORMAT
            contract = EmbeddingContract.from_json(fields.pop("contract"))
            header = cls(contract=contract, **fields)
            known = known and header.rows in ("float32", "int8")
            known = known and header.cipher in (_SEALED, _PLAIN) and contract.dim > 0
            whole = known and header.to_bytes() == raw
            bytes.fromhex(header.gallery + header.epoch + header.key_check)
        except _BROKEN as error:
            raise damage(path, "its header cannot be read") from error
        if not whole:
            raise damage(path, "its header has been changed")
        return header

    @property
    def sealed(self) -> bool:
        return self.cipher == _SEALED

    def require_key(self, key: bytes | None, path: Path) -> None:
        """A key demands a sealed gallery, a sealed gallery its own key."""
        if self.cipher == _PLAIN and key is not None:
            raise key_error(
                path,
                "a key was given and this gallery is not encrypted: it may have been put in the"
                " place of one that is",
                "Put the encrypted gallery back; give no key where it is meant to be open",
            )
        if self.cipher == _PLAIN:
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
    checked_key(key)
    epoch = os.urandom(16).hex()
    return Header(
        gallery=gallery or os.urandom(16).hex(),
        epoch=epoch,
        contract=contract,
        rows=rows,
        cipher=_PLAIN if key is None else _SEALED,
        key_check="" if key is None else _key_check(key, epoch),
    )


def _key_check(key: bytes, epoch: str) -> str:
    return hmac.new(key, b"embedge key check" + epoch.encode(), hashlib.sha256).hexdigest()[:16]
