"""People, templates and the audit trail as sealed rows, under the keys of one epoch.

A person's row holds a key of their own, wrapped together with their name; their templates are
sealed with that key. Every seal is bound to the header's digest, to its table and to its ids.
"""

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from sqlite3 import Connection, Cursor
from typing import Any

import numpy as np

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import now_in_utc
from embedge.runtime.gallery.failures import damage
from embedge.runtime.gallery.header import Header
from embedge.runtime.gallery.int8 import Matrix, float_from_rows, int8_from_float
from embedge.runtime.gallery.keys import derived
from embedge.runtime.gallery.rotation import rotation_from_key
from embedge.runtime.gallery.sealing import (
    TAG,
    BrokenSeal,
    Seal,
    Sum,
    SumOfTags,
    no_sum,
    same_sum,
    seal_with,
)
from embedge.runtime.gallery.state import State

__all__ = ["KEY_BYTES", "Group", "Ledger", "Part", "Template", "is_unit", "matrix_of"]

_MOST_ROWS = 4096  # templates a record, or pseudonyms an entry of the audit trail
_PART = 8192  # templates handed over together
KEY_BYTES = 32  # of a person, at the start of what is wrapped
_HEAD = struct.Struct("<I32sH")  # templates, time, length of the source; then source, ids, rows
_PLACE = struct.Struct(">QQ")
_BROKEN = (BrokenSeal, ValueError, TypeError, KeyError, struct.error, OverflowError)
_LOAD = (
    "SELECT r.id, r.person, r.sealed, p.sealed FROM record r JOIN person p ON p.id = r.person"
    " WHERE r.id > ? ORDER BY r.id"
)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One row as it is stored."""

    record: str
    enrolled: str
    source: str
    row: Matrix


@dataclass(slots=True, eq=False)
class Part:
    """Templates in the order of their records; `people` are the ids of those newly met."""

    names: list[str] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tags: list[bytes] = field(default_factory=list)
    matrix: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Templates to add, and the number of their person, if they have one already."""

    person: int | None
    name: str
    templates: Sequence[Template]


class Ledger:
    """What the key opens. Every method works inside the caller's transaction."""

    def __init__(self, header: Header, key: bytes | None, path: Path) -> None:
        header.require_key(key, path)
        self.header, self.path, self.raw = header, path, header.to_bytes()
        self.dim = header.contract.dim
        self._root = hashlib.sha256(self.raw).digest()
        salt = bytes.fromhex(header.epoch)

        def seal(purpose: str) -> Seal:
            return seal_with(None if key is None else derived(key, salt, purpose))

        self._wrap, self._state, self._audit, self._tries = map(
            seal, ("people", "state", "audit", "attempts")
        )
        self.key = key
        self._sum = SumOfTags(derived(key or bytes(KEY_BYTES), salt, "sum"))
        self._type = np.dtype("<f4" if header.rows == "float32" else "|i1")
        self._width = self._type.itemsize * self.dim
        identity = np.eye(self.dim, dtype=np.float32)
        self.rotation = identity if key is None else rotation_from_key(key, salt, self.dim)

    @classmethod
    def read(cls, connection: Connection, key: bytes | None, path: Path) -> "Ledger":
        row = connection.execute("SELECT value FROM header").fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise damage(path, "its header is missing")
        return cls(Header.from_bytes(row[0], path), key, path)

    def is_current(self, connection: Connection) -> bool:
        return bool(connection.execute("SELECT value FROM header").fetchone() == (self.raw,))

    def write_header(self, connection: Connection) -> None:
        for table in ("header", "spare"):
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (1, ?)", (self.raw,))

    def state(self, connection: Connection) -> State:
        row = connection.execute("SELECT sealed FROM state").fetchone()
        return self.opened_state(row[0] if row else b"")

    def opened_state(self, sealed: bytes) -> State:
        with self._noticing("its state"):
            return State.from_bytes(self._state.open(sealed, self._root + b"S"))

    def put_state(self, connection: Connection, state: State) -> None:
        sealed = self._state.seal(state.to_bytes(), self._root + b"S")
        connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (sealed,))

    # templates ---------------------------------------------------------------------------------

    def stored(self, embeddings: Embeddings) -> Matrix:
        rows = embeddings @ self.rotation.T
        return int8_from_float(rows) if self._type.itemsize == 1 else rows

    def plain(self, matrix: Matrix) -> Embeddings:
        plain: Embeddings = float_from_rows(matrix) @ self.rotation
        return plain

    def parts(self, connection: Connection, after: int = 0, newest: int = 0) -> Iterator[Part]:
        """Every template of the records after `after`; people after `newest` are new.

        People and records are numbered as they come, so a new person's id is above all before.
        """
        rows = connection.execute(_LOAD, (after,))
        while True:
            with self._noticing(f"a record after number {after}"):
                part, after, newest = self._part(rows, after, newest)
            if not part.names:
                return
            yield self._joined(part, after)

    def _part(self, rows: Cursor, after: int, newest: int) -> tuple[Part, int, int]:
        """Opens a gallery of a million people: every line of the loop counts."""
        part, width, owner = Part(), self._width, -1
        names, bodies, tags = part.names, part.bodies, part.tags
        unwrap, seal_of, place = self._wrap.open, self._seal_of, _PLACE.pack
        person_root, record_root = self._root + b"P", self._root + b"R"
        for record, person, sealed, wrapped in rows:
            if record <= after:
                raise ValueError("rows out of order")
            after = record
            if person != owner:
                owner, named = person, unwrap(wrapped, person_root + place(0, person))
                name, unseal = named[KEY_BYTES:].decode(), seal_of(named[:KEY_BYTES]).open
            body = unseal(sealed, record_root + place(record, person))
            count = int.from_bytes(body[:4], "little")
            names += [name] * count
            bodies.append(body[-count * width :])
            tags.append(sealed[-TAG:])
            if person > newest:
                newest = person
                part.people.append(person)
                tags.append(wrapped[-TAG:])
            if len(names) >= _PART:
                break
        return part, after, newest

    def _joined(self, part: Part, record: int) -> Part:
        with self._noticing(f"a record before number {record + 1}"):
            part.matrix = np.frombuffer(b"".join(part.bodies), self._type).reshape(-1, self.dim)
            if len(part.matrix) != len(part.names):
                raise ValueError("rows of another length")
        part.bodies.clear()
        if not is_unit(part.matrix):
            raise damage(self.path, "a template is not of length one")
        return part

    def sum_of(self, tags: Sequence[bytes]) -> Sum:
        return self._sum.of(tags) if tags else no_sum()

    def people(self, connection: Connection) -> Iterator[tuple[int, str]]:
        """Everybody's number and name."""
        for person, wrapped in connection.execute("SELECT id, sealed FROM person ORDER BY id"):
            yield person, self.name(person, wrapped)

    def name(self, person: int, wrapped: bytes) -> str:
        with self._noticing("a person"):
            return self._unwrapped(person, wrapped)[0]

    def opened(self, record: int, person: int, wrapped: bytes, sealed: bytes) -> list[Template]:
        with self._noticing("a person's templates"):
            _, seal = self._unwrapped(person, wrapped)
            return self._unpacked(seal.open(sealed, self._record_place(record, person)))

    def templates(self, connection: Connection, person: int) -> list[Template]:
        """Of one person, oldest first."""
        _, bodies = self._bodies(connection, person)
        with self._noticing("a person's templates"):
            return [template for _, body in bodies for template in self._unpacked(body)]

    def _bodies(self, connection: Connection, person: int) -> tuple[str, list[tuple[int, bytes]]]:
        """(name, the records' numbers and bytes)"""
        query = "SELECT id, sealed FROM record WHERE person = ? ORDER BY id"
        found = connection.execute(query, (person,)).fetchall()
        with self._noticing("a person's templates"):
            name, seal = self._unwrapped(person, self._wrapped(connection, person))
            places = [self._record_place(record, person) for record, _ in found]
            return name, [
                (record, seal.open(sealed, place)) for (record, sealed), place in zip(found, places)
            ]

    def sealed_rows(self, connection: Connection, person: int) -> list[bytes]:
        """The very bytes that hold a person in the file: the wrapped key and name, the records."""
        wrapped = self._wrapped(connection, person)
        query = "SELECT sealed FROM record WHERE person = ?"
        return [wrapped, *(sealed for (sealed,) in connection.execute(query, (person,)))]

    def add(self, connection: Connection, state: State, groups: Iterable[Group]) -> State:
        people, records, tags = [], [], []
        next_person, next_record, templates = state.next_person, state.next_record, 0
        for group in groups:
            if group.person is None:
                person, data_key = next_person, os.urandom(KEY_BYTES)
                named = data_key + group.name.encode()
                wrapped = self._wrap.seal(named, self._person_place(person))
                people.append((person, wrapped))
                tags.append(wrapped[-TAG:])
                seal, next_person = self._seal_of(data_key), next_person + 1
            else:
                person = group.person
                _, seal = self._unwrapped(person, self._wrapped(connection, person))
            for body in _packed(group.templates):
                sealed = seal.seal(body, self._record_place(next_record, person))
                records.append((next_record, person, sealed))
                tags.append(sealed[-TAG:])
                next_record += 1
            templates += len(group.templates)
        connection.executemany("INSERT INTO person VALUES (?, ?)", people)
        connection.executemany("INSERT INTO record VALUES (?, ?, ?)", records)
        return state.next(
            people=state.people + len(people),
            records=state.records + len(records),
            templates=state.templates + templates,
            next_person=next_person,
            next_record=next_record,
            rows=state.rows + self.sum_of(tags),
        )

    def erase(self, connection: Connection, state: State, person: int, name: str) -> State:
        """SQLite overwrites what it deletes. Failed attempts under the name go too."""
        sealed = self.sealed_rows(connection, person)
        templates = len(self.templates(connection, person))
        connection.execute("DELETE FROM record WHERE person = ?", (person,))
        connection.execute("DELETE FROM person WHERE id = ?", (person,))
        state = self.put_note(connection, state, "attempt", self.attempt_number(state, name), None)
        return state.next(
            rewritings=state.rewritings + 1,
            unscrubbed=1,
            people=state.people - 1,
            records=state.records - len(sealed) + 1,
            templates=state.templates - templates,
            rows=state.rows - self.sum_of([each[-TAG:] for each in sealed]),
        )

    def reseal(self, connection: Connection, state: State, other: "Ledger") -> State:
        """Everything again under another epoch's keys, in place; the ids stay."""
        turn = other.rotation @ self.rotation.T
        tags: list[bytes] = []
        for (person,) in connection.execute("SELECT id FROM person").fetchall():
            name, bodies = self._bodies(connection, person)
            data_key = os.urandom(KEY_BYTES)
            again = other._wrap.seal(data_key + name.encode(), other._person_place(person))
            seal = other._seal_of(data_key)
            rows = [
                (seal.seal(self._turned(body, turn), other._record_place(record, person)), record)
                for record, body in bodies
            ]
            connection.execute("UPDATE person SET sealed = ? WHERE id = ?", (again, person))
            connection.executemany("UPDATE record SET sealed = ? WHERE id = ?", rows)
            tags += [again[-TAG:], *(sealed[-TAG:] for sealed, _ in rows)]
        return state.next(
            rewritings=state.rewritings + 1,
            unscrubbed=1,
            rows=other.sum_of(tags),
            audits=self._reseal_notes(connection, state, other, "audit"),
            tries=self._reseal_notes(connection, state, other, "attempt"),
        )

    def _reseal_notes(
        self, connection: Connection, state: State, other: "Ledger", table: str
    ) -> Sum:
        total = no_sum()
        for number, note in list(self.notes(connection, state, table).items()):
            sealed = other._sealed_note(table, number, note)
            connection.execute(f"UPDATE {table} SET sealed = ? WHERE id = ?", (sealed, number))
            total = total + other.sum_of([sealed[-TAG:]])
        return total

    # the audit trail and the attempts: small rows of JSON ---------------------------------------

    def notes(self, connection: Connection, state: State, table: str) -> dict[int, Any]:
        """Every row by its number; one that was dropped, added or put back is noticed."""
        found, tags = {}, []
        with self._noticing(f"the table {table}"):
            query = f"SELECT id, sealed FROM {table} ORDER BY id"
            for number, sealed in connection.execute(query):
                if number in found:
                    raise ValueError("rows out of order")
                found[number] = self.note(table, number, sealed)
                tags.append(sealed[-TAG:])
        expected = state.audits if table == "audit" else state.tries
        if not same_sum(self.sum_of(tags), expected):
            raise damage(self.path, f"rows of the table {table} were dropped or put back")
        return found

    def note(self, table: str, number: int, sealed: bytes) -> Any:
        with self._noticing(f"a row of the table {table}"):
            opened = self._note_seal(table).open(sealed, self._note_place(table, number))
            return json.loads(opened)

    def put_note(
        self, connection: Connection, state: State, table: str, number: int, note: Any
    ) -> State:
        """A new row, another value, or None: the row goes."""
        name = "audits" if table == "audit" else "tries"
        total = getattr(state, name)
        before = connection.execute(f"SELECT sealed FROM {table} WHERE id = ?", (number,))
        for (sealed,) in before.fetchall():
            total = total - self.sum_of([sealed[-TAG:]])
        if note is None:
            connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
        else:
            sealed = self._sealed_note(table, number, note)
            values = (number, sealed)
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", values)
            total = total + self.sum_of([sealed[-TAG:]])
        return state.next(**{name: total})

    def record_event(
        self, connection: Connection, state: State, event: str, people: dict[str, int]
    ) -> State:
        """An entry of the audit trail: people as pseudonyms, and how many templates of each."""
        listed = [[self.pseudonym(state, name), count] for name, count in people.items()]
        for start in range(0, max(len(listed), 1), _MOST_ROWS):
            entry = {"at": now_in_utc(), "event": event, "who": listed[start : start + _MOST_ROWS]}
            state = self.put_note(connection, state, "audit", state.next_audit, entry)
            state = state.next(next_audit=state.next_audit + 1)
        return state

    def pseudonym(self, state: State, person: str) -> str:
        """The same person, the same letters, for whoever has the key; a riddle for others."""
        return hmac.new(state.secret, person.encode(), hashlib.sha256).hexdigest()[:16]

    def attempt_number(self, state: State, subject: str) -> int:
        mark = hmac.new(state.secret, b"attempt" + subject.encode(), hashlib.sha256).digest()
        return int.from_bytes(mark[:8], "big") >> 1  # SQLite's numbers have a sign

    def _sealed_note(self, table: str, number: int, note: Any) -> bytes:
        text = json.dumps(note, ensure_ascii=False, separators=(",", ":")).encode()
        return self._note_seal(table).seal(text, self._note_place(table, number))

    def _note_seal(self, table: str) -> Seal:
        return self._audit if table == "audit" else self._tries

    def _note_place(self, table: str, number: int) -> bytes:
        return self._root + table.encode() + _PLACE.pack(number, 0)

    # the bytes of one row -----------------------------------------------------------------------

    def _record_place(self, record: int, person: int) -> bytes:
        return self._root + b"R" + _PLACE.pack(record, person)

    def _person_place(self, person: int) -> bytes:
        return self._root + b"P" + _PLACE.pack(0, person)

    def _seal_of(self, data_key: bytes) -> Seal:
        return seal_with(None if self.key is None else data_key)

    def _wrapped(self, connection: Connection, person: int) -> bytes:
        row = connection.execute("SELECT sealed FROM person WHERE id = ?", (person,)).fetchone()
        if row is None:
            raise damage(self.path, "a person's key is missing")
        return bytes(row[0])

    def _unwrapped(self, person: int, wrapped: bytes) -> tuple[str, Seal]:
        opened = self._wrap.open(wrapped, self._person_place(person))
        return opened[KEY_BYTES:].decode(), self._seal_of(opened[:KEY_BYTES])

    def _unpacked(self, body: bytes) -> list[Template]:
        count, time, length = _HEAD.unpack(body[: _HEAD.size])
        ids = _HEAD.size + length
        rows = ids + 16 * count
        source = body[_HEAD.size : ids].decode()
        matrix = np.frombuffer(body, self._type, offset=rows).reshape(count, self.dim)
        return [
            Template(
                body[ids + 16 * i : ids + 16 * i + 16].hex(),
                time.rstrip(b"\0").decode(),
                source,
                matrix[i],
            )
            for i in range(count)
        ]

    def _turned(self, body: bytes, turn: Embeddings) -> bytes:
        count = int.from_bytes(body[:4], "little")
        start = len(body) - count * self._width
        rows = np.frombuffer(body, self._type, offset=start).reshape(count, self.dim)
        turned = float_from_rows(rows) @ turn.T
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)  # int8 rounds anew each time
        again = int8_from_float(turned) if self._type.itemsize == 1 else turned
        return body[:start] + again.tobytes()

    @contextmanager
    def _noticing(self, what: str) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise damage(self.path, f"{what} cannot be opened") from error


def matrix_of(templates: Sequence[Template]) -> Matrix:
    rows: list[Any] = [each.row for each in templates]
    matrix: Matrix = np.stack(rows)
    return matrix


def _packed(templates: Sequence[Template]) -> Iterator[bytes]:
    """Records: what was enrolled at one time, from one source."""
    for (time, source), alike in groupby(templates, lambda each: (each.enrolled, each.source)):
        run = list(alike)
        for start in range(0, len(run), _MOST_ROWS):
            part = run[start : start + _MOST_ROWS]
            head = _HEAD.pack(len(part), time.encode(), len(source.encode()))
            ids = bytes.fromhex("".join(each.record for each in part))
            yield head + source.encode() + ids + b"".join(each.row.tobytes() for each in part)


def is_unit(matrix: Matrix) -> bool:
    """A row longer than one would be everybody's best match."""
    rows = float_from_rows(matrix)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    least, most = (0.95, 1.02) if matrix.dtype == np.int8 else (0.998, 1.002)
    return bool(((lengths >= least) & (lengths <= most)).all())  # not a number is neither
