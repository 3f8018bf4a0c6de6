"""What a frame says: some templates enrolled, and entries of the audit trail."""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.layout import Damaged

__all__ = ["Block", "Matrix"]

Matrix = NDArray[np.float32] | NDArray[np.int8]
_LENGTH = struct.Struct("<I")
_TYPES = {"float32": "<f4", "int8": "|i1"}


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Row i of `matrix` is the template `records[i]` of the person `people[i]`."""

    records: Sequence[str]
    people: Sequence[str]
    enrolled: Sequence[str]  # ISO 8601, UTC
    sources: Sequence[str]  # the artifact that made the embedding
    matrix: Matrix
    audit: Sequence[dict[str, Any]] = field(default_factory=tuple)

    def to_bytes(self) -> bytes:
        meta = {
            "records": list(self.records),
            "people": list(self.people),
            "enrolled": list(self.enrolled),
            "sources": list(self.sources),
            "audit": list(self.audit),
        }
        text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode()
        return _LENGTH.pack(len(text)) + text + self.matrix.tobytes()

    @classmethod
    def from_bytes(cls, payload: bytes, rows: str, dim: int) -> "Block":
        """A sealed payload was written by this code; a surprise in it still must not crash."""
        try:
            (length,) = _LENGTH.unpack(payload[:4])
            meta = json.loads(payload[4 : 4 + length])
            matrix = np.frombuffer(payload, _TYPES[rows], offset=4 + length).reshape(-1, dim)
            block = cls(matrix=matrix, **meta)
        except (ValueError, TypeError, KeyError, struct.error) as error:
            raise Damaged(f"a block cannot be read ({error})") from error
        columns = (block.records, block.people, block.enrolled, block.sources)
        if any(len(column) != len(matrix) for column in columns):
            raise Damaged("a block lists other people than it has templates")
        return block

    def without(self, person: str) -> "Block":
        """The same block as if that person had never been enrolled."""
        keep = [row for row, name in enumerate(self.people) if name != person]
        return Block(
            [self.records[row] for row in keep],
            [self.people[row] for row in keep],
            [self.enrolled[row] for row in keep],
            [self.sources[row] for row in keep],
            self.matrix[keep],
            self.audit,
        )

    @classmethod
    def joined(cls, blocks: Sequence["Block"]) -> "Block":
        return cls(
            [record for block in blocks for record in block.records],
            [person for block in blocks for person in block.people],
            [time for block in blocks for time in block.enrolled],
            [source for block in blocks for source in block.sources],
            np.concatenate([block.matrix for block in blocks]),
            [entry for block in blocks for entry in block.audit],
        )
