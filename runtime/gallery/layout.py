"""The bytes of a gallery file.

    magic (16) · header length (u32) · header (JSON) · zeros up to a page
    slot A (512) · slot B (512): which bytes are committed, written in turn
    frames: length (u32) · sealed payload

A frame counts once a slot says so. Beyond the last committed byte there may be the rest of an
interrupted write; within, every byte must be right. Each seal is bound to the header's digest
(and so to the contract and to this very writing of the file) and to its number: a frame of another
gallery, of an earlier state of this one, or in another order does not open.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.seal import BrokenSeal, Seal

__all__ = ["PAGE", "Commit", "Damaged", "Header", "Layout", "Readable"]

MAGIC = b"EMBEDGE-GALLERY\x01"
FORMAT = "embedge.gallery/1"
PAGE = 4096
_SLOT = 512
_SLOT_BODY = struct.Struct("<QQQ")
_LENGTH = struct.Struct("<I")
_LARGEST_HEADER = 1 << 20
LARGEST_FRAME = 64 << 20


class Damaged(Exception):
    """The file is not what was written; the text says where."""


class Readable(Protocol):
    def pread(self, size: int, offset: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Header:
    """What is fixed for the life of a file; `epoch` is new with every rewriting."""

    gallery: str
    epoch: str
    contract: EmbeddingContract
    rows: str  # "float32" or "int8"
    cipher: str  # "AES-256-GCM" or "none"
    key_check: str

    def to_bytes(self) -> bytes:
        fields = {
            "format": FORMAT,
            "gallery": self.gallery,
            "epoch": self.epoch,
            "contract": self.contract.to_json(),
            "rows": self.rows,
            "cipher": self.cipher,
            "key_check": self.key_check,
        }
        body = json.dumps(fields).encode()
        whole = MAGIC + _LENGTH.pack(len(body)) + body
        return whole + bytes(-len(whole) % PAGE)

    @classmethod
    def read(cls, file: Readable) -> tuple["Header", bytes]:
        """(header, the very bytes up to the slots)"""
        start = file.pread(len(MAGIC) + 4, 0)
        if start[: len(MAGIC)] != MAGIC or len(start) < len(MAGIC) + 4:
            raise Damaged("it does not begin as a gallery file does")
        (length,) = _LENGTH.unpack(start[len(MAGIC) :])
        if length > _LARGEST_HEADER:
            raise Damaged("its header is too long")
        size = len(start) + length
        whole = file.pread(size + -size % PAGE, 0)
        header = cls._parsed(whole[len(start) : size])
        if header.to_bytes() != whole:
            raise Damaged("its header has been changed")
        return header, whole

    @classmethod
    def _parsed(cls, body: bytes) -> "Header":
        try:
            fields: dict[str, Any] = json.loads(body)
            if fields.pop("format") != FORMAT:
                raise Damaged(f"its format is not {FORMAT}")
            contract = EmbeddingContract.from_json(fields.pop("contract"))
            header = cls(contract=contract, **fields)
        except Damaged:
            raise
        except Exception as error:  # whatever a changed byte makes of JSON
            raise Damaged(f"its header cannot be read ({type(error).__name__})") from error
        if header.rows not in ("float32", "int8") or header.cipher not in ("AES-256-GCM", "none"):
            raise Damaged("its header names an unknown kind of rows or cipher")
        return header


@dataclass(frozen=True, slots=True)
class Commit:
    """The state after a write: `frames` frames, the last of which ends at byte `end`."""

    counter: int
    frames: int
    end: int


class Layout:
    """Encodes and decodes one file's slots and frames under its seal."""

    def __init__(self, header_bytes: bytes, seal: Seal) -> None:
        self._seal = seal
        self._digest = hashlib.sha256(header_bytes).digest()
        self._slots = len(header_bytes)
        self.start = self._slots + 2 * _SLOT

    def first_commit(self) -> Commit:
        return Commit(counter=0, frames=0, end=self.start)

    def slot_bytes(self, commit: Commit) -> tuple[bytes, int]:
        """(bytes, offset) of the slot whose turn it is."""
        turn = commit.counter % 2
        body = _SLOT_BODY.pack(commit.counter, commit.frames, commit.end)
        sealed = self._seal.seal(body, self._place(b"slot", turn))
        return sealed + bytes(_SLOT - len(sealed)), self._slots + turn * _SLOT

    def commit_of(self, file: Readable) -> Commit:
        """The newest commit, and whole frames behind it that no record counts yet.

        A writer killed between its two writes leaves such a frame. One killed during the second
        also leaves a broken record, but then the frame it was to count is whole: a broken record
        before half a frame is no accident of writing, it is damage.
        """
        slots = [self._slot(file, turn) for turn in (0, 1)]
        whole = [commit for commit, _ in slots if commit is not None]
        if not whole:
            raise Damaged("neither of its two commit records is whole")
        newest = max(whole, key=lambda commit: commit.counter)
        commit = self._past_uncounted(file, newest)
        broken = any(found is None and not blank for found, blank in slots)
        if broken and commit == newest and file.pread(1, commit.end):
            raise Damaged("a commit record and the block behind it are broken")
        return commit

    def _slot(self, file: Readable, turn: int) -> tuple[Commit | None, bool]:
        """(what it says if it is whole, whether it was never written)"""
        data = file.pread(_SLOT, self._slots + turn * _SLOT)
        size = _SLOT_BODY.size + self._seal.overhead
        try:
            counter, frames, end = _SLOT_BODY.unpack(
                self._seal.open(data[:size], self._place(b"slot", turn))
            )
        except (BrokenSeal, struct.error):
            return None, not any(data)
        return Commit(counter, frames, end), False

    def frame_bytes(self, payload: bytes, number: int) -> bytes:
        sealed = self._seal.seal(payload, self._place(b"frame", number))
        return _LENGTH.pack(len(sealed)) + sealed

    def frames(
        self, file: Readable, since: Commit, until: Commit
    ) -> Iterator[tuple[bytes, int, int]]:
        """(payload, offset, length) of the committed frames after `since`; any wrong byte is
        Damaged.
        """
        offset = since.end
        for number in range(since.frames, until.frames):
            payload, end = self._frame(file, offset, number, until.end)
            yield payload, offset + 4, end - offset - 4
            offset = end
        if offset != until.end:
            raise Damaged("its frames do not end where the commit record says")

    def _past_uncounted(self, file: Readable, commit: Commit) -> Commit:
        while True:
            try:
                _, end = self._frame(file, commit.end, commit.frames, None)
            except Damaged:
                return commit
            commit = Commit(commit.counter, commit.frames + 1, end)

    def _frame(
        self, file: Readable, offset: int, number: int, limit: int | None
    ) -> tuple[bytes, int]:
        head = file.pread(4, offset)
        length = _LENGTH.unpack(head)[0] if len(head) == 4 else 0
        end = offset + 4 + length
        beyond = limit is not None and end > limit
        if not 0 < length <= LARGEST_FRAME or beyond:
            raise Damaged(f"the length at byte {offset} is wrong")
        try:
            data = file.pread(length, offset + 4)
            return self._seal.open(data, self._place(b"frame", number)), end
        except BrokenSeal as error:
            raise Damaged(f"the block at byte {offset} has been changed or moved") from error

    def _place(self, kind: bytes, number: int) -> bytes:
        return self._digest + kind + number.to_bytes(8, "little")
