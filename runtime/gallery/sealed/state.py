"""The one sealed row that says what all the other rows are: how many, and what they add up to."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.sealed.header import Digits
from embedge.typed import Bound, structured

__all__ = ["State"]

Count = Annotated[int, Bound(0, 2**62)]  # what SQLite takes as a number
Sum = Annotated[int, Bound(0, 2**128)]


@dataclass(frozen=True, slots=True)
class State:
    """`counter` grows with every writing, `rewritings` with those that did more than append.

    `unscrubbed` is 1 while the journal may still hold what was erased. `secret` makes pseudonyms,
    the same ones for as long as the gallery lives. `mark` tells two writings of one number apart.
    `rows`, `audits` and `tries` are sums of tags. `newest` is the digest of the audit trail's last
    entry, which holds that of the one before.
    """

    counter: Count = 0
    rewritings: Count = 0
    unscrubbed: Count = 0
    people: Count = 0
    records: Count = 0
    templates: Count = 0
    next_person: Count = 1
    next_record: Count = 1
    next_audit: Count = 1
    rows: Sum = 0
    audits: Sum = 0
    tries: Sum = 0
    newest: Digits = ""
    mark: Digits = ""
    secret: Digits = field(default_factory=lambda: os.urandom(32).hex())
    crossing: Crossing | None = None

    def next(self, **changes: Any) -> "State":
        """The state after one more writing."""
        return replace(self, counter=self.counter + 1, mark=os.urandom(16).hex(), **changes)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "State":
        try:
            return structured(cls, json.loads(raw))
        except RecursionError as error:
            raise ValueError("a state nested too deeply") from error
