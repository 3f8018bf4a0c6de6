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
from embedge.runtime.gallery.copies.workplace import left_behind
from embedge.runtime.gallery.migration.side import Side
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.ledger import KEY_BYTES, Ledger
from embedge.runtime.gallery.sealed.sealing import NONCE
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows
from embedge.runtime.gallery.storage.carving import carved, headers
from embedge.runtime.gallery.storage.raw import Raw, raw
from embedge.runtime.gallery.storage.traces import Traces, traces_of

__all__ = ["SAME", "ErasureProof", "proof_of"]

SAME = 0.999  # a cosine that rounding to one byte a dimension leaves the same picture

_UNKNOWN = (
    "copies elsewhere: backups, snapshots, other folders (subfolders too), other machines",
    "bytes that the disk or the file system keeps out of every file's reach; with the gallery's"
    " key an old wrapped key opens there until the gallery is renewed under a new key",
    "copies that were compressed, encrypted, scaled or written in another form than those listed",
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
        alike = _Alike(self.person, self._rows)
        real = Path(os.path.realpath(gallery))
        found = [f"{gallery}: enrolled also as '{name}'" for name in others]
        copies: list[str] = []
        unreadable: dict[Path, str] = {}
        files = dict.fromkeys(_files_of(real.parent, unreadable), 0)
        ledgers = {ledger.raw: ledger}
        for path in files:
            with _noting(path, unreadable), raw(path) as file:
                ledgers |= {} if path == real else _ledgers(file, ledger.key)
        for path in files:
            with _noting(path, unreadable), raw(path) as file:
                files[path] = file.size
                found += dict.fromkeys(self._traces.hits(file))
                names = _held(file, ledgers.values(), alike) if path != real else set()
                copies += [str(path)] if self.person in names else []
                for name in sorted(names - {self.person}):
                    found.append(f"{path}: a template of theirs under the name '{name}'")
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
        _rows=tuple(each / np.linalg.norm(each, axis=1, keepdims=True) for each in spaces),
    )
    return proof, rows


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
    for place in (folder, *left_behind(folder)):
        try:
            found += sorted(path for path in place.iterdir() if path.is_file())
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable[place] = str(error.strerror)
    return found


def _ledgers(file: Raw, key: bytes | None) -> dict[bytes, Ledger]:
    """Of the galleries in the file, damaged or not, or only saved in a journal.

    One that the key does not open is an OSError: who is in it cannot be read.
    """
    found: dict[bytes, Ledger] = {}
    for row in headers(file, anywhere=True):
        try:
            header = Header.from_bytes(row, file.path)
            if len(found) >= _MOST_GALLERIES:
                raise OSError(errno.E2BIG, "more galleries than can be tried")
            found[row] = Ledger(header, key if header.sealed else None, file.path)
        except EmbedgeError as error:
            if error.code == "E-KEY":
                raise OSError(errno.EACCES, "a gallery that this key does not open") from error
    return found


def _held(file: Raw, ledgers: Collection[Ledger], like: "_Alike") -> set[str]:
    """Whose rows there still open that have the person's name or one of their templates: the
    file's own, or rows that a rollback puts back into the file that they belong to."""
    wrapped: dict[int, list[tuple[Ledger, str, bytes]]] = {}
    for row in carved(file, anywhere=True):
        match row:
            case (int(number), bytes(sealed)):
                for ledger in ledgers:
                    with suppress(EmbedgeError):  # of another gallery, or no person's
                        one = ledger, ledger.name(number, sealed), sealed
                        wrapped.setdefault(number, []).append(one)
    found = {name for some in wrapped.values() for _, name, _ in some} & {like.person}
    for row in carved(file, anywhere=True):
        match row:
            case (int(record), int(number), bytes(sealed)):
                for ledger, name, key in wrapped.get(number, ()):
                    with suppress(EmbedgeError):
                        templates = ledger.opened(record, number, key, sealed)
                        found |= {name} if like.any_of(templates) else set()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Alike:
    """A person, and the templates they had, in each space that they had some in."""

    person: str
    rows: tuple[Embeddings, ...]

    def any_of(self, templates: Sequence[Template]) -> bool:
        sides = [side for each in templates for side in (each.row, each.across)]
        return any(self._has(side) for side in sides if side is not None)

    def _has(self, row: Matrix) -> bool:
        (kept,) = float_from_rows(row[None])
        some = [rows for rows in self.rows if rows.shape[1] == len(kept)]
        return any((rows @ kept > SAME * np.linalg.norm(kept)).any() for rows in some)
