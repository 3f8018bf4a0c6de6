"""People and their templates as sealed rows, under the keys of one epoch.

A person's row holds a key of their own, wrapped together with their name; their templates are
sealed with that key. Every seal is bound to the header's digest, to its table and to its ids.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from embedge.runtime.gallery.keys import derived
from embedge.runtime.gallery.migration.crossing import Counted
from embedge.runtime.gallery.migration.side import SpaceSide
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, AUDIT, Notes
from embedge.runtime.gallery.sealed.sealing import (
    NONCE,
    NUMBERS,
    TAG,
    Checksum,
    Seal,
    SumOfTags,
    noticing,
    opened,
    place,
    sealed,
)
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import (
    PLAIN,
    Group,
    Opened,
    Template,
    is_unit,
    marked_rows,
    packed,
    unpacked,
)
from embedge.runtime.gallery.search.int8 import Matrix
from embedge.runtime.gallery.storage.failures import damage

__all__ = ["KEY_BYTES", "Change", "Ledger", "Part"]

KEY_BYTES = 32  # of a person, at the start of what is wrapped
Change = Callable[[list[Template]], list[Template]]
_PART = 2048  # templates handed over together
_PEOPLE = "SELECT id, sealed FROM person WHERE id BETWEEN ? AND ? ORDER BY id"
_OF_PERSON = "SELECT id, sealed FROM record WHERE person = ? ORDER BY id"
_LOAD = (
    "SELECT r.id, r.person, r.sealed, p.sealed FROM record r JOIN person p ON p.id = r.person"
    " WHERE r.id > ? ORDER BY r.id"
)


@dataclass(slots=True, eq=False)
class Part:
    """Templates in the order of their records; `people` and `met` are who is newly met.

    `bridged` are the places of templates that were calculated.
    """

    names: list[str] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    bridged: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tags: list[bytes] = field(default_factory=list)
    matrix: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))


class Ledger:
    """What the key opens. Every method works inside the caller's transaction."""

    def __init__(self, header: Header, key: bytes | None, path: Path) -> None:
        header.require_key(key, path)
        self.header, self.path, self.raw = header, path, header.to_bytes()
        self.dim = header.contract.dim
        self._root = hashlib.sha256(self.raw).digest()
        salt = bytes.fromhex(header.epoch)
        self._seal_of: type[Seal] = Checksum if key is None else AESGCM

        def secret(purpose: str) -> bytes:
            return derived(key or bytes(KEY_BYTES), salt, purpose)

        def seal(purpose: str) -> Seal:
            return self._seal_of(secret(purpose))

        self.key, self._wrap, self._state = key, seal("people"), seal("state")
        self.sum_of = SumOfTags(secret("sum"))
        seals = {AUDIT: seal("audit"), ATTEMPTS: seal("attempts")}
        self.notes = Notes(self._root, seals, self.sum_of, path)
        self.kind = np.dtype("<f4" if header.rows == "float32" else "|i1")
        self.width = self.kind.itemsize * self.dim

    @classmethod
    def read(cls, connection: Connection, key: bytes | None, path: Path) -> "Ledger":
        row = connection.execute("SELECT value FROM header WHERE id = 1").fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise damage(path, "its header is missing")
        return cls(Header.from_bytes(row[0], path), key, path)

    def is_current(self, connection: Connection) -> bool:
        row = connection.execute("SELECT value FROM header WHERE id = 1").fetchone()
        return bool(row == (self.raw,))

    def write_header(self, connection: Connection) -> None:
        for table in ("header", "spare"):
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (1, ?)", (self.raw,))

    def state(self, connection: Connection) -> State:
        row = connection.execute("SELECT sealed FROM state WHERE id = 1").fetchone()
        return self.opened_state(row[0] if row else b"")

    def opened_state(self, row: bytes) -> State:
        with noticing(self.path, "its state"):
            return State.from_bytes(opened(self._state, row, place(self._root, "S")))

    def put_state(self, connection: Connection, state: State) -> None:
        row = sealed(self._state, state.to_bytes(), place(self._root, "S"))
        connection.execute("INSERT OR REPLACE INTO state VALUES (1, ?)", (row,))
        connection.execute("INSERT OR REPLACE INTO spare VALUES (2, ?)", (row,))

    def side(self, state: State, *, hidden: bool = False) -> SpaceSide:
        """What is searched, or the other space that the gallery has templates in."""
        crossing, int8 = state.crossing, self.kind.itemsize == 1
        if crossing is None or crossing.across == hidden:
            return SpaceSide(self.header.contract, False, int8)
        return SpaceSide(crossing.contract, True, int8)

    def parts(
        self,
        connection: Connection,
        after: int = 0,
        newest: int = 0,
        side: SpaceSide | None = None,
    ) -> Iterator[Part]:
        """Every template of the records after `after`; people after `newest` are new.

        People and records are numbered as they come, so a new person's id is above all before.
        """
        across, dim = (side.across, side.dim) if side else (False, self.dim)
        while True:
            with noticing(self.path, f"a record after number {after}"):
                part, after, newest = self._part(connection, after, newest, across)
            if not part.tags:
                return
            yield self._joined(part, after, dim)

    def _part(
        self, connection: Connection, after: int, newest: int, across: bool
    ) -> tuple[Part, int, int]:
        """Opens a gallery of a million people: every line of the loop counts.

        No name holds its cursor: an exception would keep it, and it the file's lock.
        """
        part, width, owner = Part(), self.width, -1
        names, bodies, tags, item = part.names, part.bodies, part.tags, self.kind.itemsize
        unwrap, seal_of, numbers = self._wrap.decrypt, self._seal_of, NUMBERS
        person_root, record_root = place(self._root, "P")[:-16], place(self._root, "R")[:-16]
        for record, person, row, wrapped in connection.execute(_LOAD, (after,)):
            if record <= after:
                raise ValueError("rows out of order")
            after = record
            if person != owner:
                where = person_root + numbers(0, person)
                owner, named = person, unwrap(wrapped[:NONCE], wrapped[NONCE:], where)
                name, unseal = named[KEY_BYTES:].decode(), seal_of(named[:KEY_BYTES]).decrypt
            body = unseal(row[:NONCE], row[NONCE:], record_root + numbers(record, person))
            count = int.from_bytes(body[:4], "little")
            if across or count >= PLAIN:
                found, marks = marked_rows(body, item, across=across)
                part.bridged += [len(names) + place for place, mark in enumerate(marks) if mark]
                names += [name] * len(marks)
                bodies.append(found)
            else:
                names += [name] * count
                bodies.append(body[-count * width :])
            tags.append(row[-TAG:])
            if person > newest:
                newest = person
                part.people.append(person)
                part.met.append(name)
                tags.append(wrapped[-TAG:])
            if len(names) >= _PART:
                break
        return part, after, newest

    def _joined(self, part: Part, record: int, dim: int) -> Part:
        with noticing(self.path, f"a record before number {record + 1}"):
            part.matrix = np.frombuffer(b"".join(part.bodies), self.kind).reshape(-1, dim)
            if len(part.matrix) != len(part.names):
                raise ValueError("rows of another length")
        part.bodies.clear()
        if not is_unit(part.matrix):
            raise damage(self.path, "a template is not of length one")
        return part

    def opened_records(self, connection: Connection, after: int, most: int) -> list[Opened]:
        """The next records, whoever they are of."""
        found, owner, seal = list[Opened](), -1, self._wrap
        for record, person, row, wrapped in connection.execute(f"{_LOAD} LIMIT ?", (after, most)):
            with noticing(self.path, f"a record after number {after}"):
                if person != owner:
                    owner, (_, seal) = person, self._unwrapped(person, wrapped)
                found.append(self._opened(seal, record, person, row))
        return found

    def _opened(self, seal: Seal, record: int, person: int, row: bytes) -> Opened:
        where = place(self._root, "R", record, person)
        body = opened(seal, row, where)
        count = int.from_bytes(body[:4], "little")
        return Opened(record, person, count, body, row[-TAG:], seal, where)

    def people(self, connection: Connection) -> Iterator[tuple[int, str]]:
        """Everybody's number and name."""
        for person, wrapped in connection.execute("SELECT id, sealed FROM person ORDER BY id"):
            yield person, self.name(person, wrapped)

    def name(self, person: int, wrapped: bytes) -> str:
        with noticing(self.path, "a person"):
            return self._unwrapped(person, wrapped)[0]

    def opened(self, record: int, person: int, wrapped: bytes, row: bytes) -> list[Template]:
        with noticing(self.path, "a person's templates"):
            _, seal = self._unwrapped(person, wrapped)
            body = opened(seal, row, place(self._root, "R", record, person))
            return unpacked(body, self.kind, self.dim)

    def templates(self, connection: Connection, person: int) -> list[Template]:
        """Of one person, oldest first."""
        some = self._records(connection, person, self._wrapped(connection, person))
        return [each for one in some for each in self._unpacked(one.body)]

    def _unpacked(self, body: bytes) -> list[Template]:
        with noticing(self.path, "a person's templates"):
            return unpacked(body, self.kind, self.dim)

    def _records(self, connection: Connection, person: int, wrapped: bytes) -> list[Opened]:
        with noticing(self.path, "a person's templates"):
            _, seal = self._unwrapped(person, wrapped)
            rows = connection.execute(_OF_PERSON, (person,)).fetchall()
            return [self._opened(seal, record, person, row) for record, row in rows]

    def sealed_rows(self, connection: Connection, person: int) -> list[bytes]:
        """The very bytes that hold a person in the file: the wrapped key and name, the records."""
        rows = [row for _, row in connection.execute(_OF_PERSON, (person,)).fetchall()]
        return [self._wrapped(connection, person), *rows]

    def add(self, connection: Connection, state: State, groups: Iterable[Group]) -> State:
        people, records, tags = [], [], []
        next_person, next_record, templates = state.next_person, state.next_record, 0
        for group in groups:
            if group.person is None:
                person, next_person = next_person, next_person + 1
                wrapped, seal = self._new_key(person, group.name)
                people.append((person, wrapped))
                tags.append(wrapped[-TAG:])
            else:
                person = group.person
                _, seal = self._unwrapped(person, self._wrapped(connection, person))
            for body in packed(group.templates):
                row = sealed(seal, body, place(self._root, "R", next_record, person))
                records.append((next_record, person, row))
                tags.append(row[-TAG:])
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
            rows=self.sum_of.changed(state.rows, tags),
        )

    def erase(self, connection: Connection, state: State, person: int) -> State:
        """SQLite overwrites what it deletes. Failed attempts stay: they name nobody, and whoever
        is enrolled again under the name has not waited yet."""
        templates, crossing = self.templates(connection, person), state.crossing
        gone = crossing.counted(templates) if crossing else Counted(len(templates))
        state = self.reseal(connection, state, self, lambda _: [], person)
        return state.next(
            templates=state.templates - gone.searched, crossing=crossing and crossing.without(gone)
        )

    def reseal(
        self,
        connection: Connection,
        state: State,
        other: "Ledger",
        changed: Change | None = None,
        person: int | None = None,
    ) -> State:
        """Everything, or one person, again under other keys, in place; the ids stay.

        What is `changed` to nothing goes, and whoever has nothing left.
        """
        old, new, people, records = list[bytes](), list[bytes](), 0, 0
        one = (0, 1 << 62) if person is None else (person, person)
        for number, key in connection.execute(_PEOPLE, one).fetchall():
            before = self._records(connection, number, key)
            old += [key[-TAG:], *(each.tag for each in before)]
            wrapped, seal = other._new_key(number, self.name(number, key))
            rows, gone = list[tuple[bytes, int]](), list[tuple[int]]()
            for each in before:
                bodies = [each.body]
                if changed is not None:
                    bodies = list(packed(changed(self._unpacked(each.body))))
                where = place(other._root, "R", each.record, number)
                rows += [(sealed(seal, body, where), each.record) for body in bodies]
                gone += [] if bodies else [(each.record,)]
            connection.executemany("DELETE FROM record WHERE id = ?", gone)
            records -= len(gone)
            if gone and not rows:
                connection.execute("DELETE FROM person WHERE id = ?", (number,))
                people -= 1
                continue
            connection.execute("UPDATE person SET sealed = ? WHERE id = ?", (wrapped, number))
            connection.executemany("UPDATE record SET sealed = ? WHERE id = ?", rows)
            new += [wrapped[-TAG:], *(row[-TAG:] for row, _ in rows)]
        left = self.sum_of.changed(state.rows, [], old)
        if person is None:
            if left:
                raise damage(self.path, "rows were dropped, added or put back")
            state = self.notes.move(connection, state, other.notes)
        return state.next(
            rewritings=state.rewritings + 1,
            unscrubbed=1,
            people=state.people + people,
            records=state.records + records,
            rows=other.sum_of.changed(left, new),
        )

    def _new_key(self, person: int, name: str) -> tuple[bytes, Seal]:
        """(wrapped together with the name, what it seals)"""
        data_key = os.urandom(KEY_BYTES)
        wrapped = sealed(self._wrap, data_key + name.encode(), place(self._root, "P", 0, person))
        return wrapped, self._seal_of(data_key)

    def _wrapped(self, connection: Connection, person: int) -> bytes:
        row = connection.execute("SELECT sealed FROM person WHERE id = ?", (person,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise damage(self.path, "a person's key is missing")
        return row[0]

    def _unwrapped(self, person: int, wrapped: bytes) -> tuple[str, Seal]:
        named = opened(self._wrap, wrapped, place(self._root, "P", 0, person))
        return named[KEY_BYTES:].decode(), self._seal_of(named[:KEY_BYTES])
