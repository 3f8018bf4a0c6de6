"""The one sealed row that says what all the other rows are: how many, and what they add up to."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["State"]


@dataclass(frozen=True, slots=True)
class State:
    """`counter` grows with every writing, `rewritings` with those that did more than append.

    `unscrubbed` is 1 while the journal may still hold what was erased. `secret` makes pseudonyms,
    the same ones for as long as the gallery lives. `mark` tells two writings of one number apart.
    `rows`, `audits` and `tries` are sums of tags.
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
    rows: int = 0
    audits: int = 0
    tries: int = 0
    mark: str = ""
    secret: str = field(default_factory=lambda: os.urandom(32).hex())

    def next(self, **changes: Any) -> "State":
        """The state after one more writing."""
        return replace(self, counter=self.counter + 1, mark=os.urandom(16).hex(), **changes)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "State":
        return cls(**json.loads(raw))
