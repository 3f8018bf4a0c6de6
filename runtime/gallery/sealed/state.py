"""The one sealed row that says what all the other rows are: how many, and what they add up to."""

import os
import struct
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.sealed.sealing import Sum, no_sum

__all__ = ["State"]

_NUMBERS = struct.Struct("<10Q")
_SHORTEST = 3 * 16 + 16 + 32


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """`counter` grows with every writing, `rewritings` with those that did more than append.

    `unscrubbed` is 1 while the journal may still hold what was erased. `secret` makes pseudonyms,
    the same ones for as long as the gallery lives. `mark` tells two writings of one number apart.
    """

    counter: int = 0
    rewritings: int = 0
    unscrubbed: int = 0
    people: int = 0
    records: int = 0
    templates: int = 0
    next_person: int = 1
    next_record: int = 1
    next_audit: int = 1
    attempts: int = 0
    rows: Sum = field(default_factory=no_sum)
    audits: Sum = field(default_factory=no_sum)
    tries: Sum = field(default_factory=no_sum)
    mark: bytes = bytes(16)
    secret: bytes = field(default_factory=lambda: os.urandom(32))
    crossing: Crossing | None = None

    def next(self, **changes: Any) -> "State":
        """The state after one more writing."""
        return replace(self, counter=self.counter + 1, mark=os.urandom(16), **changes)

    def to_bytes(self) -> bytes:
        values = [getattr(self, each.name) for each in fields(self)]
        sums = b"".join(each.astype("<u8").tobytes() for each in values[10:13])
        crossing = self.crossing.to_bytes() if self.crossing else b""
        return _NUMBERS.pack(*values[:10]) + sums + self.mark + self.secret + crossing

    @classmethod
    def from_bytes(cls, raw: bytes) -> "State":
        numbers, rest = _NUMBERS.unpack(raw[: _NUMBERS.size]), raw[_NUMBERS.size :]
        if len(rest) < _SHORTEST:
            raise ValueError("a state of another length")
        sums = np.frombuffer(rest[:48], "<u8").reshape(3, 2).astype(np.uint64)
        values = [*numbers, *sums, rest[48:64], rest[64:_SHORTEST]]
        values.append(Crossing.from_bytes(rest[_SHORTEST:]) if rest[_SHORTEST:] else None)
        return cls(**{each.name: value for each, value in zip(fields(cls), values)})
