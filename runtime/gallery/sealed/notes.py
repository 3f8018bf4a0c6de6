"""The audit trail and the failed attempts: small sealed rows of JSON, each table with its sum."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from embedge.printed import now_in_utc
from embedge.runtime.gallery.sealed.sealing import (
    TAG,
    Seal,
    SumOfTags,
    noticing,
    opened,
    place,
    sealed,
)
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.storage.failures import damage

__all__ = ["ATTEMPTS", "AUDIT", "Notes", "attempt_number", "digest_of", "pseudonym"]

AUDIT, ATTEMPTS = "audit", "attempt"
_SUMS = {AUDIT: "audits", ATTEMPTS: "tries"}  # what the state calls their sums
_MOST_NAMED = 4096  # pseudonyms in an entry of the audit trail


class Notes:
    """Under the keys of one epoch. Every method works inside the caller's transaction."""

    def __init__(self, root: bytes, seals: dict[str, Seal], tags: SumOfTags, path: Path) -> None:
        self._root, self._seals, self._tags, self._path = root, seals, tags, path

    def read(self, connection: Connection, state: State, table: str) -> dict[int, Any]:
        """Every row by its number; one that was dropped, added or put back is noticed."""
        found, tags = {}, []
        for number, note in connection.execute(f"SELECT id, sealed FROM {table} ORDER BY id"):
            if number in found:
                raise damage(self._path, f"the table {table} repeats itself")
            found[number] = self.opened(table, number, note)
            tags.append(note[-TAG:])
        if not self.adds_up(tags, state, table):
            raise damage(self._path, f"rows of the table {table} were dropped or put back")
        return found

    def require_end(self, connection: Connection, state: State, seen: State) -> None:
        """The trail ends where the state says, and goes on from where it was `seen` to end."""
        first, known = max(seen.next_audit - 1, 1), [seen.newest][: seen.next_audit - 1]
        query = f"SELECT id, sealed FROM {AUDIT} WHERE id >= ? ORDER BY id LIMIT ?"
        most = max(state.next_audit - first, 0) + 1
        rows = connection.execute(query, (first, most)).fetchall()
        entries = [self.opened(AUDIT, *row) for row in rows]
        digests = [digest_of(entry) for entry in entries]
        with noticing(self._path, f"a row of the table {AUDIT}"):
            links = [entry["after"] for entry in entries]
        numbered = [number for number, _ in rows] == list(range(first, state.next_audit))
        linked = digests[: len(known)] == known and links[1:] == digests[:-1]
        if numbered and linked and ["", *digests][-1] == state.newest:
            return
        what = "its audit trail and its state are not of one time: one was put back"
        if seen is not state:
            what = "its audit trail does not go on from where it was: a copy was put in its place"
        raise damage(self._path, what)

    def adds_up(self, tags: Sequence[bytes], state: State, table: str) -> bool:
        """Whether rows with these tags are all of the table's, and no others."""
        return self._tags.of(tags) == int(getattr(state, _SUMS[table]))

    def opened(self, table: str, number: int, note: bytes) -> Any:
        with noticing(self._path, f"a row of the table {table}"):
            return json.loads(opened(self._seals[table], note, place(self._root, table, number)))

    def put(
        self, connection: Connection, state: State, table: str, number: int, note: Any
    ) -> State:
        """A new row, another value, or None: the row goes."""
        query = f"SELECT sealed FROM {table} WHERE id = ?"
        with noticing(self._path, f"a row of the table {table}"):
            before = [row[-TAG:] for (row,) in connection.execute(query, (number,)).fetchall()]
            total = self._tags.changed(getattr(state, _SUMS[table]), [], before)
        connection.execute(f"DELETE FROM {table} WHERE id = ?", (number,))
        if note is not None:
            row = sealed(self._seals[table], _text(note), place(self._root, table, number))
            connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (number, row))
            total = self._tags.changed(total, [row[-TAG:]])
        return state.next(**{_SUMS[table]: total})

    def move(self, connection: Connection, state: State, other: "Notes") -> State:
        """Everything again under another epoch's keys."""
        for table, name in _SUMS.items():
            notes = self.read(connection, state, table)
            connection.execute(f"DELETE FROM {table}")
            state = state.next(**{name: 0})
            for number, note in notes.items():
                state = other.put(connection, state, table, number, note)
        return state

    def record(
        self,
        connection: Connection,
        state: State,
        event: str,
        people: dict[str, int],
        gone: Sequence[int] = (),
    ) -> State:
        """An entry of the audit trail: people as pseudonyms, and how many templates of each.

        `gone` are the numbers of those who left: so a damaged file is known to hold them wrongly.
        """
        listed = [[pseudonym(state, name), count] for name, count in people.items()]
        for start in range(0, max(len(listed), 1), _MOST_NAMED):
            who = listed[start : start + _MOST_NAMED]
            entry = {"at": now_in_utc(), "event": event, "who": who}
            state = self.append(connection, state, {**entry, "gone": gone} if gone else entry)
        return state

    def append(self, connection: Connection, state: State, entry: Any) -> State:
        entry = {**entry, "after": state.newest}
        state = self.put(connection, state, AUDIT, state.next_audit, entry)
        return replace(state, next_audit=state.next_audit + 1, newest=digest_of(entry))


def digest_of(entry: Any) -> str:
    """Of an entry of the audit trail: the same ones under other keys."""
    return hashlib.sha256(_text(entry)).hexdigest()[:32]


def _text(note: Any) -> bytes:
    return json.dumps(note, separators=(",", ":")).encode()


def pseudonym(state: State, person: str) -> str:
    """The same person, the same letters, for whoever has the key; a riddle for others."""
    return hmac.new(state.secret.encode(), person.encode(), hashlib.sha256).hexdigest()[:16]


def attempt_number(state: State, subject: str) -> int:
    return int(pseudonym(state, f"attempt {subject}"), 16) >> 1  # SQLite's numbers have a sign
