"""Every record gets a bridged template beside its old one, some thousand at a time."""

from dataclasses import dataclass, replace
from sqlite3 import Connection

import numpy as np

from embedge.runtime.bridge import Bridge
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.migration.side import SpaceSide
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.repeats import Marks, marks_of
from embedge.runtime.gallery.sealed.sealing import TAG, sealed
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import (
    BRIDGED,
    PLAIN,
    UNCERTAIN,
    Opened,
    matrix_of,
    with_across,
)
from embedge.runtime.gallery.search.int8 import float_from_rows, int8_from_float

__all__ = ["Carrier"]

# whoever was enrolled more than once
_SCATTERED = (
    "SELECT person FROM record WHERE person BETWEEN ? AND ? GROUP BY person HAVING count(*) > 1"
)


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    ledger: Ledger
    bridge: Bridge
    there: SpaceSide
    limit: float
    shared: Marks  # of old templates that several people have

    def step(self, connection: Connection, state: State, records: int) -> tuple[State, bool]:
        """(the state after this many records more, whether none is left)"""
        assert state.crossing is not None
        found = self.ledger.opened_records(connection, state.crossing.done, records)
        plain = [each for each in found if each.count < PLAIN]
        rewritten = self._rewritten(connection, plain) if plain else []
        connection.executemany("UPDATE record SET sealed = ? WHERE id = ?", rewritten)
        sum_of, templates = self.ledger.sum_of, sum(each.count for each in plain)
        crossing = replace(
            state.crossing,
            done=found[-1].record if found else state.crossing.done,
            hidden=state.crossing.hidden + templates,
            bridged=state.crossing.bridged + templates,
        )
        new = [row[-TAG:] for row, _ in rewritten]
        rows = sum_of.changed(state.rows, new, [each.tag for each in plain])
        state = state.next(rows=rows, rewritings=state.rewritings + 1, crossing=crossing)
        return state, len(found) < records

    def _drawn(self, connection: Connection, plain: list[Opened]) -> Embeddings:
        """Old templates, each drawn to the mean of its person's: what they share crosses best.

        Not those that somebody else has too: equal before, they must be equal after.
        """
        width, dim = self.ledger.width, self.ledger.dim
        stored = b"".join(each.body[len(each.body) - each.count * width :] for each in plain)
        matrix = np.frombuffer(stored, self.ledger.kind).reshape(-1, dim)
        alike = np.isin(marks_of(matrix), self.shared).any(axis=1)
        rows = np.array(float_from_rows(matrix))
        whole = rows[alike]
        start, places = 0, dict[int, list[int]]()
        for each in plain:
            places.setdefault(each.person, []).extend(range(start, start + each.count))
            start += each.count
        ends = min(places), max(places)
        scattered = {person for (person,) in connection.execute(_SCATTERED, ends).fetchall()}
        for person, own in places.items():
            if person in scattered:
                templates = self.ledger.templates(connection, person)
                rows[own] += float_from_rows(matrix_of(templates)).mean(axis=0)
            elif len(own) > 1:
                rows[own] += rows[own].mean(axis=0)
        rows[alike] = whole
        return rows

    def _rewritten(self, connection: Connection, plain: list[Opened]) -> list[tuple[bytes, int]]:
        width, carried = self.ledger.width, self.bridge.bridged(self._drawn(connection, plain))
        across = int8_from_float(carried.rows) if self.there.int8 else carried.rows
        with np.errstate(invalid="ignore"):
            doubtful = carried.expected <= self.limit
        marks = np.where(doubtful, UNCERTAIN, BRIDGED).astype(np.uint8).tobytes()
        data, wide = across.tobytes(), across.shape[1] * across.itemsize
        found, start = [], 0
        for each in plain:
            end = start + each.count
            body = with_across(
                each.body, width, marks[start:end], data[start * wide : end * wide], self.there.dim
            )
            found.append((sealed(each.seal, body, each.place), each.record))
            start = end
        return found
