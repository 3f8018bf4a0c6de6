"""Sealing: bytes that cannot be changed or moved without notice, and sums that miss no row."""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from embedge.errors import ours
from embedge.runtime.gallery.storage.failures import damage

__all__ = [
    "NONCE",
    "NUMBERS",
    "TAG",
    "Checksum",
    "Seal",
    "SumOfTags",
    "noticing",
    "opened",
    "place",
    "sealed",
]

NONCE, TAG = 12, 16  # the first and the last bytes of whatever is sealed
NUMBERS = struct.Struct(">QQ").pack
_WHOLE = 1 << 128
_BROKEN = (InvalidTag, ValueError, TypeError, KeyError, struct.error, OverflowError)


class Seal(Protocol):
    """AESGCM's methods. `place` is bound to the data: it opens only where it was put."""

    def __init__(self, key: bytes) -> None: ...
    def encrypt(self, nonce: bytes, data: bytes, place: bytes, /) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, place: bytes, /) -> bytes: ...


class Checksum:
    """A digest in the place of AESGCM: no secrecy, but accidents are noticed."""

    def __init__(self, key: bytes) -> None:
        """As if there were one."""

    def encrypt(self, nonce: bytes, data: bytes, place: bytes, /) -> bytes:
        length = len(place).to_bytes(4, "little")
        return data + hashlib.sha256(length + place + nonce + data).digest()[:TAG]

    def decrypt(self, nonce: bytes, data: bytes, place: bytes, /) -> bytes:
        if self.encrypt(nonce, data[:-TAG], place) != data:
            raise InvalidTag
        return data[:-TAG]


def sealed(seal: Seal, data: bytes, where: bytes) -> bytes:
    """With a random nonce each time."""
    nonce = os.urandom(NONCE)
    return nonce + seal.encrypt(nonce, data, where)


def opened(seal: Seal, data: bytes, where: bytes) -> bytes:
    return seal.decrypt(data[:NONCE], data[NONCE:], where)


class SumOfTags:
    """What a set of sealed rows adds up to; rows join and leave it one by one, none unseen.

    Each tag goes through a keyed pseudorandom function, here one AES block, so that nobody
    without the key can tell which other rows would add up to the same. Sums are modulo 2^128.
    """

    def __init__(self, key: bytes) -> None:
        # single random blocks, not a message: a mode would add nothing, and one call does them all
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def of(self, tags: Sequence[bytes]) -> int:
        blocks = self._cipher.encryptor().update(b"".join(tags))
        quarters = np.frombuffer(blocks, "<u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64)
        return sum(int(each) << 32 * place for place, each in enumerate(quarters)) % _WHOLE

    def changed(self, total: int, added: Sequence[bytes], removed: Sequence[bytes] = ()) -> int:
        return (total + self.of(added) - self.of(removed)) % _WHOLE


def place(root: bytes, table: str, one: int = 0, other: int = 0) -> bytes:
    """Where something is sealed: the header's digest, the table, the row's numbers."""
    return root + table.encode() + NUMBERS(one, other)


@contextmanager
def noticing(path: Path, what: str) -> Iterator[None]:
    """Whatever is wrong with sealed bytes, or with what was in them, is damage."""
    try:
        yield
    except ours(_BROKEN) as error:
        raise damage(path, f"{what} cannot be opened") from error
