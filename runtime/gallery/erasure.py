"""What an erasure can prove: where was searched, for what, and what nobody here can know."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from embedge.errors import EmbedgeError
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.migration.side import Side
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.ledger import KEY_BYTES, Ledger
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import Matrix
from embedge.runtime.gallery.storage.carving import carved, headers
from embedge.runtime.gallery.storage.registry import while_quiet
from embedge.runtime.gallery.storage.traces import Traces, traces_of

__all__ = ["ErasureProof", "proof_before"]

_UNKNOWN = (
    "copies elsewhere: backups, snapshots, other folders (subfolders too), other machines",
    "bytes that the disk or the file system keeps out of every file's reach; with the gallery's"
    " key an old wrapped key opens there until the gallery is renewed under a new key",
    "copies that were packed, encrypted or written in another form than those listed",
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

    @classmethod
    def of(cls, person: str, templates: int, traces: Traces, *, pictures: bool) -> "ErasureProof":
        unknown = _UNKNOWN if pictures else (*_UNKNOWN, _OWN_UNKNOWN)
        return cls(person, templates, len(traces), traces.forms, unknown=unknown, _traces=traces)

    @property
    def proven(self) -> bool:
        against = self.found or self.copies or self.unreadable or self.still_listed
        return bool(self.files) and self.patterns > 0 and not against

    def searched(
        self, gallery: Path, key: bytes | None, *, listed: bool, others: Sequence[str] = ()
    ) -> "ErasureProof":
        """Search the gallery's file and every other file of its folder.

        `others` are people of the gallery who have a template of the person.
        """
        assert self._traces is not None
        real = Path(os.path.realpath(gallery))
        files: list[str] = []
        found = [f"{gallery}: enrolled also as '{name}'" for name in others]
        copies: list[str] = []
        unreadable: list[str] = []
        size = 0
        for path in _files_of(real.parent, unreadable):
            try:
                with while_quiet(path):
                    found += self._traces.hits(path)
                    if path != real and _held(path, key, self.person):
                        copies.append(str(path))
                    size += path.stat().st_size
                files.append(str(path))
            except OSError as error:
                unreadable.append(f"{path}: {error.strerror}")
        return replace(
            self,
            files=tuple(files),
            searched_bytes=size,
            found=tuple(found),
            copies=tuple(copies),
            unreadable=tuple(unreadable),
            still_listed=listed,
        )

    def to_json(self) -> dict[str, Any]:
        public = {name: getattr(self, name) for name in self.__slots__ if not name.startswith("_")}
        return {**public, "bytes": self.searched_bytes, "proven": self.proven}


def proof_before(
    connection: Connection,
    seen: Seen,
    name: str,
    number: int | None,
    own: Embeddings | None,
) -> tuple[ErasureProof, Embeddings]:
    """Before the erasure: what must not be found after it, and the embeddings it is made of."""
    ledger, side = seen.ledger, seen.side
    old = [] if number is None else ledger.templates(connection, number)
    sealed = [] if number is None else ledger.sealed_rows(connection, number)
    if ledger.key is None:  # then the rows are there as they are, beside what others have too
        sealed = [row[:KEY_BYTES] for row in sealed[:1]]
    plain, stored = _plain_of(side, old)
    traces = traces_of(stored, plain, own, sealed)
    if seen.state.crossing is not None and seen.state.crossing.kept:
        other, kept = _plain_of(ledger.side(seen.state, hidden=True), old)
        traces = traces.joined(traces_of(kept, other, None, []))
    proof = ErasureProof.of(name, len(old), traces, pictures=own is not None)
    return proof, plain if own is None else np.concatenate([plain, own])


def _plain_of(side: Side, templates: Sequence[Template]) -> tuple[Embeddings, Matrix]:
    """What the templates have on this side, and how it is stored."""
    none = side.stored(np.empty((0, side.dim), np.float32))
    rows = [row for each in templates if (row := each.at(across=side.across)) is not None]
    stored = np.concatenate([none, *(row[None] for row in rows)])
    return side.plain(stored), stored


def _files_of(folder: Path, unreadable: list[str]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        unreadable.append(f"{folder}: {error.strerror}")
        return []


def _held(path: Path, key: bytes | None, person: str) -> bool:
    """Whether a gallery lies in it, damaged or not, of which a row for the person still opens.

    One that the key does not open is an OSError: who is in it cannot be read.
    """
    for header in {header for raw in headers(path) for header in _header(raw, path)}:
        try:
            ledger = Ledger(header, key if header.sealed else None, path)
        except EmbedgeError as error:
            raise OSError(errno.EACCES, "a gallery that this key does not open") from error
        for number, sealed, *more in carved(path):
            if not more and isinstance(number, int) and isinstance(sealed, bytes):
                with suppress(EmbedgeError):  # a row of another table
                    if ledger.name(number, sealed) == person:
                        return True
    return False


def _header(raw: bytes, path: Path) -> Iterator[Header]:
    with suppress(EmbedgeError):  # some other row
        yield Header.from_bytes(raw, path)
