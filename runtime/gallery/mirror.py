"""The file's people in memory: verified, and as the file is now before every use."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import checked_rows
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.migration.side import SpaceSide
from embedge.runtime.gallery.migration.two_kinds import TwoKinds
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.search.index import TemplateIndex
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.gallery.storage.database import Database, Done
from embedge.runtime.gallery.storage.failures import damage

__all__ = ["Mirror", "Seen", "grow"]

_STALE = (0, 0)
# a row that belongs to nobody enters no sum
_COUNT = "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM record)"


@dataclass(slots=True, eq=False)
class Seen:
    """What was read, and by which process: an index with threads does not survive a fork."""

    ledger: Ledger
    state: State
    version: tuple[int, int]
    index: TemplateIndex | TwoKinds
    people: list[int]  # their numbers in the file, in the index's order
    process: int

    def number(self, name: str) -> int | None:
        """The person's number in the file."""
        place = self.index.number(name)
        return None if place is None else self.people[place]

    def named(self, name: str) -> str:
        """As whoever looks like that was spelled first."""
        place = self.index.number(name)
        return name if place is None else self.index.names[place]

    @property
    def side(self) -> SpaceSide:
        """The space that is searched."""
        return self.ledger.side(self.state)

    @property
    def templates(self) -> int:
        return len(self.index)

    @property
    def crossing(self) -> Crossing | None:
        return self.state.crossing

    def search(
        self, embeddings: Embeddings, contract: EmbeddingContract, count: int, handicap: float
    ) -> list[list[Ranked]]:
        queries = checked_rows(embeddings, contract, self.side.contract)
        found = self.index.search(queries, count, handicap)
        return [[each.rounded_in() for each in best] for best in found]


class Mirror:
    """Reads and writes the file for one `Gallery`. The database's lock is everybody's here."""

    def __init__(self, database: Database, key: bytes | None, threads: int, search: str) -> None:
        self.database, self.key = database, key
        self._threads, self._search = threads, search
        self._seen: Seen | None = None
        self._newest: tuple[str, State] | None = None
        self._intended: tuple[Ledger, State] | None = None
        self._wiped = ""

    @property
    def path(self) -> Path:
        return self.database.path

    def seen(self) -> Seen:
        """Call with the lock held, for as long as what is returned is used."""
        seen = self._seen
        if seen is None or not self.database.unchanged_since(seen.version):
            seen = self.database.read(self._synced)
        return seen

    def read(self, work: Callable[[Connection, Seen], Done]) -> Done:
        with self.database.lock:
            return self.database.read(lambda connection: work(connection, self._synced(connection)))

    def write(self, work: Callable[[Connection, Seen], Done]) -> Done:
        """One transaction; what the work has `put` is the state once it is committed."""

        def intended(connection: Connection) -> Done:
            seen = self._synced(connection)
            self._intended = None
            if seen.state.mark == self._wiped:
                seen.state = replace(seen.state, unscrubbed=0)
            done = work(connection, seen)
            if self._intended is not None:
                self.forget_version()  # whatever ends the commit: the next look reads it back
            return done

        with self.database.lock:
            if not self.database.writable:
                raise EmbedgeError(
                    "E-READ-ONLY",
                    "this gallery was opened for reading",
                    where=self.path,
                    remedy="Open it with writable=True",
                )
            done = self.database.write(intended, self._how_it_stands)
            if self._intended is not None:
                ledger, state = self._intended
                self._newest = ledger.header.gallery, state
            return done

    def put(self, connection: Connection, state: State, ledger: Ledger | None = None) -> None:
        """A `ledger` brings its key along: once it is committed, that one is the gallery's."""
        if ledger is None:
            assert self._seen is not None
            ledger = self._seen.ledger
        ledger.put_state(connection, state)
        self._intended = ledger, state

    def scrub(self, stands: str = "what was done is in the file") -> None:
        """Finish an erasure: until the journal is wiped it holds the pages from before.

        The state says so until somebody who knows better writes it next.
        """
        try:
            with self.database.lock:
                state = self.database.read(lambda file: self._ledger(file).state(file))
                if state.unscrubbed and self._wiped != state.mark:
                    self.database.scrub()
                    self._wiped = state.mark
        except EmbedgeError as error:
            what = f"{error.what}; {stands}, but the journal has to be wiped"
            remedy = f"{error.remedy}; the next opening for writing wipes it"
            raise EmbedgeError(error.code, what, where=error.where, remedy=remedy) from error

    def forget_version(self) -> None:
        if self._seen is not None:
            self._seen.version = _STALE

    def _how_it_stands(self) -> str:
        """Looked up after a commit has failed: it may have reached the file all the same."""
        self.forget_version()
        if self._intended is None:
            return "nothing was changed"
        ledger, state = self._intended
        try:
            if self.database.read(
                lambda file: ledger.is_current(file) and ledger.state(file).mark == state.mark
            ):
                return "all of it is in the file, but the disk has not confirmed it"
        except EmbedgeError:
            return "when the file can be read again, all of it is there or nothing of it"
        return "nothing was changed"

    def _synced(self, connection: Connection) -> Seen:
        """After any failure the next look reads everything again, and fails again."""
        version, seen = self.database.version(connection), self._seen
        if seen is not None and seen.version == version:
            return seen
        ledger = self._ledger(connection)
        state = ledger.state(connection)
        self._require_no_older(ledger, state)
        ledger.notes.require_end(connection, state, self._newest[1] if self._newest else state)
        if seen is None or not self._is_longer(seen, ledger, state):
            self._forget()
            index = _empty_index(ledger.side(state), state, self._threads, self._search)
            seen = Seen(ledger, State(), _STALE, index, [], os.getpid())
        self._seen = None  # until all of it is read, whatever comes between
        try:
            grow(connection, seen, state)
        except BaseException:
            seen.index.close()
            raise
        seen.state, seen.version = state, version
        self._seen, self._newest = seen, (ledger.header.gallery, state)
        return seen

    def _forget(self) -> None:
        if self._seen is not None and self._seen.process == os.getpid():
            self._seen.index.close()
        self._seen = None

    def _ledger(self, connection: Connection) -> Ledger:
        if self._seen is not None and self._seen.ledger.is_current(connection):
            return self._seen.ledger
        if self._intended is not None and self._intended[0].is_current(connection):
            self.key = self._intended[0].key
            return self._intended[0]
        return Ledger.read(connection, self.key, self.path)

    def _require_no_older(self, ledger: Ledger, state: State) -> None:
        """A copy put back is noticed by whoever has seen more: not after a restart."""
        if self._newest is None:
            return
        gallery, newest = self._newest
        if gallery != ledger.header.gallery:
            raise damage(self.path, "another gallery was put in its place")
        older = state.counter < newest.counter
        if older or (state.counter == newest.counter and state.mark != newest.mark):
            raise damage(self.path, "an older copy was put in its place")

    @staticmethod
    def _is_longer(seen: Seen, ledger: Ledger, state: State) -> bool:
        """Not where the file has changed and the state has not: then somebody else wrote it."""
        same = seen.ledger is ledger and seen.process == os.getpid()
        longer = seen.state.mark != state.mark
        return same and longer and seen.state.rewritings == state.rewritings

    def close(self) -> None:
        """A call that it comes within goes on with what is in memory."""
        self.database.close()
        if not self.database.lock.is_mine():
            with self.database.lock:
                self._forget()


def _empty_index(
    side: SpaceSide, state: State, threads: int, search: str
) -> TemplateIndex | TwoKinds:
    """Told apart by kind, where templates that are searched may be bridged ones."""
    how = side.dim, "int8" if side.int8 else "float32", threads, search
    marks = state.crossing is not None and state.crossing.marks
    return TwoKinds(*how) if marks else TemplateIndex(*how)


def grow(connection: Connection, seen: Seen, state: State) -> None:
    """By what was enrolled since `seen.state`; then all of it adds up to `state`, or is damaged."""
    before, ledger, total = seen.state, seen.ledger, seen.state.rows
    after = before.next_record - 1, before.next_person - 1
    for part in ledger.parts(connection, *after, side=ledger.side(state)):
        seen.index.know(part.met)
        seen.index.add(part.names, part.matrix, part.bridged)
        seen.people += part.people
        total = ledger.sum_of.changed(total, part.tags)
    counts = len(seen.people), len(seen.index.names), len(seen.index)
    expected = state.people, state.records
    whole = before.counter or connection.execute(_COUNT).fetchone() == expected
    if not whole or total != state.rows or counts != (*[state.people] * 2, state.templates):
        raise damage(ledger.path, "rows were dropped, added or put back")
