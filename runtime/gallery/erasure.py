"""What an erasure can prove: where was searched, for what, and what nobody here can know."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from embedge.runtime.encoders import Embeddings, lengths_of
from embedge.runtime.gallery.leftovers.searching import Alike, Search
from embedge.runtime.gallery.migration.side import SpaceSide
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.ledger import KEY_BYTES, Ledger
from embedge.runtime.gallery.sealed.sealing import NONCE
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import float_from_rows
from embedge.runtime.gallery.storage.journal import real_path
from embedge.runtime.gallery.storage.traces import Traces, traces_of

__all__ = ["ErasureProof", "proof_of"]

_UNKNOWN = (
    "copies elsewhere: backups, snapshots, other folders (subfolders too), other machines",
    "bytes that the disk or the file system keeps out of every file's reach; with the gallery's"
    " key an old wrapped key opens there until the gallery is renewed under a new key",
    "copies that were scaled, or packed, encrypted or written in a form that is not listed (floats"
    " one by one, as pickle, msgpack, CBOR and SQLite columns keep them; Fortran order; bfloat16;"
    " half precision with the high byte first; decimal numbers far apart, as in od -tf4): such a"
    " file is named where it looks random over 2 kB or begins as a known kind does, and else not",
    "what only begins like a picture, a sound, a film or a font",
)
_OWN_UNKNOWN = "floats as the encoder gave them, where rounding hides them: give the pictures"


@dataclass(frozen=True, slots=True)
class ErasureProof:
    """`files` (`searched_bytes` in all) were searched for `patterns` pieces in these `forms`;
    `found` says where any was met, `copies` which files still open and hold the person.

    Not searched before `searched` was called: `files` is then empty.
    """

    person: str
    templates: int
    patterns: int
    forms: tuple[str, ...]
    files: tuple[str, ...] = ()
    searched_bytes: int = 0
    found: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    still_listed: bool = False
    unknown: tuple[str, ...] = _UNKNOWN
    _traces: Traces | None = field(default=None, repr=False)  # biometric data
    _rows: tuple[Embeddings, ...] = field(default=(), repr=False)  # and this

    @property
    def proven(self) -> bool:
        against = self.found or self.copies or self.unreadable or self.still_listed
        return bool(self.files) and self.patterns > 0 and not against

    def searched(
        self, gallery: Path, ledger: Ledger, *, listed: bool, others: Sequence[str] = ()
    ) -> "ErasureProof":
        """Search the gallery's file and every other file of its folder.

        `others` are people of the gallery who have a template of the person.
        """
        assert self._traces is not None
        real = real_path(gallery)
        search = Search(self._traces, Alike(self.person, self._rows), real, ledger)
        search.found += [f"{gallery}: enrolled also as '{name}'" for name in others]
        search.run(gallery)
        return replace(
            self,
            files=tuple(str(path) for path in search.files if path not in search.unreadable),
            searched_bytes=sum(search.files.values()),
            found=tuple(search.found),
            copies=tuple(dict.fromkeys(search.copies)),
            unreadable=(
                *(f"{path}: {why}" for path, why in search.unreadable.items()),
                *(f"{name}: {why}" for name, why in search.budget.closed.items()),
            ),
            still_listed=listed,
        )

    def to_json(self) -> dict[str, Any]:
        public = {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}
        return {**public, "bytes": self.searched_bytes, "proven": self.proven}


def proof_of(
    connection: Connection, seen: Seen, name: str, number: int | None, own: Embeddings | None
) -> tuple[ErasureProof, Embeddings]:
    """Before the erasure: what must not be found after it, and the embeddings it is made of."""
    ledger, side = seen.ledger, seen.side
    old = [] if number is None else ledger.templates(connection, number)
    sealed = [] if number is None else ledger.sealed_rows(connection, number)
    if ledger.key is None:  # then the rows are there as they are, beside what others have too
        sealed = [row[: NONCE + KEY_BYTES] for row in sealed[:1]]
    plain = _plain_of(side, old)
    traces = traces_of(plain, own, sealed, rounded=side.int8)
    rows = plain if own is None else np.concatenate([plain, own])
    spaces = [rows]
    if seen.state.crossing is not None and seen.state.crossing.kept:
        spaces.append(_plain_of(ledger.side(seen.state, hidden=True), old))
        traces = traces.joined(traces_of(spaces[1], None, [], rounded=side.int8))
    unknown = _UNKNOWN if own is not None else (*_UNKNOWN, _OWN_UNKNOWN)
    proof = ErasureProof(
        name,
        len(old),
        len(traces),
        traces.forms,
        unknown=unknown,
        _traces=traces,
        _rows=tuple(each / lengths_of(each)[:, None] for each in spaces),
    )
    return proof, rows


def _plain_of(side: SpaceSide, templates: Sequence[Template]) -> Embeddings:
    """What the templates have on this side."""
    rows = [row for each in templates if (row := each.at(across=side.across)) is not None]
    none = np.empty((0, side.dim), np.float32)
    return np.concatenate([none, *(float_from_rows(row[None]) for row in rows)])
