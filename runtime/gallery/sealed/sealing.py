"""Sealing: bytes that cannot be changed or moved without notice, and sums that miss no row."""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.storage.failures import damage

__all__ = [
    "NUMBERS",
    "TAG",
    "AesSeal",
    "BrokenSeal",
    "Seal",
    "Sum",
    "SumOfTags",
    "no_sum",
    "noticing",
    "place",
    "same_sum",
    "unsealed",
]

TAG = 16  # the last bytes of whatever is sealed

Sum = NDArray[np.uint64]  # two lanes, which wrap around


class BrokenSeal(Exception):
    """The bytes are not those that were sealed, or not in this place."""


_BROKEN = (BrokenSeal, ValueError, TypeError, KeyError, struct.error, OverflowError)
NUMBERS = struct.Struct(">QQ").pack


class Seal(Protocol):
    """`place` is bound to the data: sealed bytes open only where they were put."""

    def seal(self, data: bytes, place: bytes) -> bytes: ...
    def open(self, sealed: bytes, place: bytes) -> bytes: ...


class AesSeal:
    """AES-256-GCM with a random nonce each time."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = _aes_gcm()[0](key)

    def seal(self, data: bytes, place: bytes) -> bytes:
        nonce = os.urandom(12)
        sealed: bytes = nonce + self._cipher.encrypt(nonce, data, place)
        return sealed

    def open(self, sealed: bytes, place: bytes) -> bytes:
        try:
            opened: bytes = self._cipher.decrypt(sealed[:12], sealed[12:], place)
            return opened
        except _aes_gcm()[1] as error:
            raise BrokenSeal from error


@cache
def _aes_gcm() -> tuple[Any, tuple[type[Exception], ...]]:
    """Imported once, and only where something is encrypted."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, (InvalidTag, ValueError)


class _Checksum:
    """No secrecy: a digest that notices accidents, for galleries that must not be encrypted."""

    def seal(self, data: bytes, place: bytes) -> bytes:
        return data + self._digest(data, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        data = sealed[:-TAG]
        if self._digest(data, place) != sealed[-TAG:]:
            raise BrokenSeal
        return data

    @staticmethod
    def _digest(data: bytes, place: bytes) -> bytes:
        return hashlib.sha256(len(place).to_bytes(4, "little") + place + data).digest()[:TAG]


def unsealed(_: bytes) -> Seal:
    """For a gallery without a key."""
    return _Checksum()


class SumOfTags:
    """What a set of sealed rows adds up to; rows join and leave it one by one, none unseen.

    Each tag goes through a keyed pseudorandom function, here one AES block, so that nobody
    without the key can tell which other rows would add up to the same.
    """

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        # single random blocks, not a message: a mode would add nothing, and one call does them all
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def of(self, tags: Sequence[bytes]) -> Sum:
        if not tags:
            return no_sum()
        blocks = self._cipher.encryptor().update(b"".join(tags))
        total: Sum = np.frombuffer(blocks, "<u8").reshape(-1, 2).sum(axis=0, dtype=np.uint64)
        return total


def place(root: bytes, table: str, one: int = 0, other: int = 0) -> bytes:
    """Where something is sealed: the header's digest, the table, the row's numbers."""
    return root + table.encode() + NUMBERS(one, other)


@contextmanager
def noticing(path: Path, what: str) -> Iterator[None]:
    """Whatever is wrong with sealed bytes, or with what was in them, is damage."""
    try:
        yield
    except _BROKEN as error:
        raise damage(path, f"{what} cannot be opened") from error


def no_sum() -> Sum:
    return np.zeros(2, np.uint64)


def same_sum(one: Sum, other: Sum) -> bool:
    return bool(np.array_equal(one, other))
