"""What an erasure can prove: where was searched, for what, and what nobody here can know."""

import errno
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
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
from embedge.runtime.gallery.sealed.ledger import KEY_BYTES, Ledger, wrapped_bytes
from embedge.runtime.gallery.sealed.sealing import NONCE
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import float_from_rows
from embedge.runtime.gallery.storage.carving import RECOVERING, carved, headers
from embedge.runtime.gallery.storage.registry import while_quiet
from embedge.runtime.gallery.storage.traces import Traces, traces_of

__all__ = ["ErasureProof", "proof_of"]

_UNKNOWN = (
    "copies elsewhere: backups, snapshots, other folders (subfolders too), other machines",
    "bytes that the disk or the file system keeps out of every file's reach; with the gallery's"
    " key an old wrapped key opens there until the gallery is renewed under a new key",
    "copies that were packed, encrypted or written in another form than those listed",
)
_OWN_UNKNOWN = "floats as the encoder gave them, where rounding hides them: give the pictures"
_MOST_GALLERIES = 100  # in one file


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
        real = Path(os.path.realpath(gallery))
        found = [f"{gallery}: enrolled also as '{name}'" for name in others]
        copies: list[str] = []
        unreadable: dict[Path, str] = {}
        files = dict.fromkeys(_files_of(real.parent, unreadable), 0)
        ledgers = {ledger.raw: ledger}
        for path in files:
            with _noting(path, unreadable), while_quiet(path):
                ledgers |= {} if path == real else _ledgers(path, ledger.key)
        for path in files:
            with _noting(path, unreadable), while_quiet(path):
                files[path] = path.stat().st_size
                found += dict.fromkeys(self._traces.hits(path))
                if path != real and _held(path, ledgers.values(), self.person):
                    copies.append(str(path))
        return replace(
            self,
            files=tuple(str(path) for path in files if path not in unreadable),
            searched_bytes=sum(files.values()),
            found=tuple(found),
            copies=tuple(copies),
            unreadable=tuple(f"{path}: {why}" for path, why in unreadable.items()),
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
    if seen.state.crossing is not None and seen.state.crossing.kept:
        other = _plain_of(ledger.side(seen.state, hidden=True), old)
        traces = traces.joined(traces_of(other, None, [], rounded=side.int8))
    unknown = _UNKNOWN if own is not None else (*_UNKNOWN, _OWN_UNKNOWN)
    counts = len(old), len(traces)
    proof = ErasureProof(name, *counts, traces.forms, unknown=unknown, _traces=traces)
    return proof, plain if own is None else np.concatenate([plain, own])


def _plain_of(side: Side, templates: Sequence[Template]) -> Embeddings:
    """What the templates have on this side."""
    rows = [row for each in templates if (row := each.at(across=side.across)) is not None]
    none = np.empty((0, side.dim), np.float32)
    return np.concatenate([none, *(float_from_rows(row[None]) for row in rows)])


@contextmanager
def _noting(path: Path, unreadable: dict[Path, str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        unreadable.setdefault(path, str(error.strerror))


def _files_of(folder: Path, unreadable: dict[Path, str]) -> list[Path]:
    found: list[Path] = []
    for place in (folder, folder / RECOVERING):  # which holds something after a kill only
        try:
            found += sorted(path for path in place.iterdir() if path.is_file())
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable[place] = str(error.strerror)
    return found


def _ledgers(path: Path, key: bytes | None) -> dict[bytes, Ledger]:
    """Of the galleries in the file, damaged or not, or only saved in a journal.

    One that the key does not open is an OSError: who is in it cannot be read.
    """
    found: dict[bytes, Ledger] = {}
    for raw in headers(path, anywhere=True):
        try:
            header = Header.from_bytes(raw, path)
            if len(found) >= _MOST_GALLERIES:
                raise OSError(errno.E2BIG, "more galleries than can be tried")
            found[raw] = Ledger(header, key if header.sealed else None, path)
        except EmbedgeError as error:
            if error.code == "E-KEY":
                raise OSError(errno.EACCES, "a gallery that this key does not open") from error
    return found


def _held(path: Path, ledgers: Collection[Ledger], person: str) -> bool:
    """Whether a row for the person still opens: the file's own, or one that a rollback puts back
    into the file that it belongs to."""
    length = wrapped_bytes(person)
    for row in carved(path, anywhere=True):
        match row:
            case (int(number), bytes(sealed)) if len(sealed) == length:
                for ledger in ledgers:
                    with suppress(EmbedgeError):  # of another gallery, or of another person
                        if ledger.name(number, sealed) == person:
                            return True
    return False
