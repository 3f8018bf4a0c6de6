"""Sealing: a block of bytes that cannot be changed, moved or replayed without notice."""

import hashlib
import os
from typing import Protocol

__all__ = ["AesSeal", "BrokenSeal", "ChecksumSeal", "Seal"]


class BrokenSeal(Exception):
    """The bytes are not those that were sealed, or not in this place."""


class Seal(Protocol):
    """`place` is bound to the data: a sealed block opens only where it was put."""

    overhead: int

    def seal(self, data: bytes, place: bytes) -> bytes: ...
    def open(self, sealed: bytes, place: bytes) -> bytes: ...


class AesSeal:
    """AES-256-GCM with a random nonce a block."""

    overhead = 12 + 16

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def seal(self, data: bytes, place: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], place)
        except (InvalidTag, ValueError) as error:
            raise BrokenSeal from error


class ChecksumSeal:
    """No secrecy: a digest that notices accidents, for galleries that must not be encrypted."""

    overhead = 16

    def seal(self, data: bytes, place: bytes) -> bytes:
        return self._digest(data, place) + data

    def open(self, sealed: bytes, place: bytes) -> bytes:
        data = sealed[16:]
        if len(sealed) < 16 or self._digest(data, place) != sealed[:16]:
            raise BrokenSeal
        return data

    @staticmethod
    def _digest(data: bytes, place: bytes) -> bytes:
        return hashlib.sha256(len(place).to_bytes(4, "little") + place + data).digest()[:16]
