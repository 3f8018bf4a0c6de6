"""Proof of an erasure: the raw files, searched for every form a template had on the disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.file import GalleryFile
from embedge.runtime.gallery.int8 import int8_from_float
from embedge.runtime.gallery.records import Block

__all__ = ["ErasureProof", "traces_of"]

_WINDOW = 32  # bytes: a template is found even where only a part of it survived
_CHUNK = 1 << 22
_LOW_BITS = np.uint64((1 << 20) - 1)


@dataclass(frozen=True, slots=True)
class ErasureProof:
    """`files` (`searched_bytes` in all) were searched for `patterns` pieces; `found` says where
    any was met.

    Not searched before `searched` was called: `files` is then empty.
    """

    person: str
    templates: int
    patterns: int
    files: tuple[str, ...] = ()
    searched_bytes: int = 0
    found: tuple[str, ...] = ()
    still_listed: bool = False
    _pieces: frozenset[bytes] = field(default=frozenset(), repr=False)  # biometric data

    @property
    def proven(self) -> bool:
        return bool(self.files) and not self.found and not self.still_listed

    def searched(self, file: GalleryFile) -> "ErasureProof":
        """Search the gallery's file and every file beside it that carries its name."""
        paths = sorted(
            path
            for path in file.path.parent.iterdir()
            if file.path.name in path.name and path.is_file()
        )
        found = [hit for path in paths for hit in _hits(path, self._pieces)]
        listed = any(self.person in block.people for block in file.blocks())
        return replace(
            self,
            files=tuple(map(str, paths)),
            searched_bytes=sum(path.stat().st_size for path in paths),
            found=tuple(found),
            still_listed=listed,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "templates": self.templates,
            "patterns": self.patterns,
            "files": list(self.files),
            "bytes": self.searched_bytes,
            "found": list(self.found),
            "still_listed": self.still_listed,
            "proven": self.proven,
        }


def traces_of(
    file: GalleryFile, blocks: Sequence[Block], person: str, plain: Embeddings
) -> ErasureProof:
    """Before the erasure: what must not be found after it.

    The templates as the encoder made them, as stored (turned, perhaps one byte a dimension), and
    the very blocks of the file they were sealed in.
    """
    stored = [
        block.matrix[row].tobytes()
        for block in blocks
        for row, name in enumerate(block.people)
        if name == person
    ]
    forms = [*stored, *(row.tobytes() for row in plain)]
    forms += [row.tobytes() for row in int8_from_float(plain)]
    pieces = {piece for form in forms for piece in _pieces(form)}
    pieces |= _sealed_pieces(file, person)
    return ErasureProof(person, len(stored), len(pieces), _pieces=frozenset(pieces))


def _sealed_pieces(file: GalleryFile, person: str) -> set[bytes]:
    """The encrypted blocks; where nothing is encrypted they hold other people's rows too."""
    if file.header.cipher == "none":
        return set()
    pieces: set[bytes] = set()
    for block, offset, length in file.placed_blocks():
        if person in block.people:
            pieces |= set(_pieces(file.pread(length, offset)))
    return pieces


def _pieces(form: bytes) -> list[bytes]:
    """Windows that tile the form; a run of equal bytes would be found anywhere, so it is left."""
    windows = [form[i : i + _WINDOW] for i in range(0, len(form) - _WINDOW + 1, _WINDOW)]
    return [window for window in windows if len(set(window)) > 4]


def _hits(path: Path, pieces: frozenset[bytes]) -> list[str]:
    """Every position of the file is looked at, whatever the alignment."""
    wanted = np.sort(np.frombuffer(b"".join({piece[:8] for piece in pieces}), "<u8"))
    hits: list[str] = []
    if not len(wanted):
        return hits
    with path.open("rb") as stream:
        offset, tail = 0, b""
        while chunk := stream.read(_CHUNK):
            data = tail + chunk
            for position in _candidates(data, wanted):
                piece = data[position : position + _WINDOW]
                if piece in pieces:
                    hits.append(f"{path}: byte {offset - len(tail) + position}")
            offset += len(chunk)
            tail = data[-(_WINDOW - 1) :]
    return hits


def _candidates(data: bytes, wanted: Any) -> list[int]:
    """Positions whose first eight bytes begin one of the pieces; `wanted` is sorted."""
    marked = np.zeros(1 << 20, bool)
    marked[wanted & _LOW_BITS] = True
    found: list[int] = []
    for shift in range(8):
        words = np.frombuffer(data, "<u8", (len(data) - shift) // 8, shift)
        rows = np.flatnonzero(marked[words & _LOW_BITS])  # few, and most of them right
        nearest = np.searchsorted(wanted, words[rows]).clip(max=len(wanted) - 1)
        rows = rows[wanted[nearest] == words[rows]]
        found += [int(row) * 8 + shift for row in rows]
    return [position for position in sorted(found) if position + _WINDOW <= len(data)]
