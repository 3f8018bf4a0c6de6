"""Go over to a new model, back to the old one, or stay for good."""

from collections.abc import Callable
from dataclasses import replace
from sqlite3 import Connection
from typing import Annotated

from embedge.runtime.bridge import Bridge
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.backfill import Carrier
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.migration.rewriting import refused, rewrite
from embedge.runtime.gallery.mirror import Mirror, Seen
from embedge.runtime.gallery.sealed.header import new_header
from embedge.runtime.gallery.sealed.ledger import Change, Ledger
from embedge.runtime.gallery.sealed.repeats import shared_marks
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import NATIVE
from embedge.typed import Bound, argument

__all__ = ["forget", "go_back", "migrate"]

RECORDS = 32_768  # of one step: some seconds, and what a killed one has to do again
_Records = Annotated[int, Bound(1, 1 << 40)]
Ticker = Callable[[int, int], object]


def _untold(_done: int, _total: int) -> None: ...


def migrate(
    gallery: Gallery,
    bridge: Bridge,
    contract: EmbeddingContract,
    *,
    limit: float = -1.0,
    records: int = RECORDS,
    on_step: Ticker = _untold,
) -> Crossing:
    """Carry every template over the bridge, then search the new ones; the old ones stay sealed.

    The gallery is in service meanwhile: until the last step the old templates are searched. An
    interrupted migration goes on where it was. `limit` is the foretold cosine up to which a
    bridged template is marked as uncertain. `on_step` hears how many templates of how many.
    """
    limit = argument(float, limit, "limit", "a finite number")
    records = argument(_Records, records, "records", "a whole number of 1 or more")
    mirror = gallery.mirror

    def begin(connection: Connection, seen: Seen) -> tuple[Crossing, Carrier]:
        crossing = _begun(mirror, seen, bridge, contract)
        if crossing is not seen.state.crossing:
            mirror.put(connection, seen.state.next(crossing=crossing))
        ledger, state = seen.ledger, replace(seen.state, crossing=crossing)
        parts = () if crossing.across else ledger.parts(connection, side=seen.side)
        shared = shared_marks((part.names, part.matrix) for part in parts)
        there = ledger.side(state, hidden=not crossing.across)
        return crossing, Carrier(ledger, bridge, there, limit, shared)

    def step(connection: Connection, state: State) -> tuple[Crossing, int]:
        if state.crossing is None or state.crossing.bridge != crossing.bridge:
            raise refused(mirror, "somebody else has ended this migration", "Begin again")
        if not state.crossing.across:  # nobody else was faster
            state, last = carrier.step(connection, state, records)
            if last:
                state = carrier.ledger.notes.record(connection, _flipped(state), "migrate", {})
            carrier.ledger.put_state(connection, state)
        assert state.crossing is not None
        return state.crossing, state.templates

    crossing, carrier = mirror.write(begin)
    while not crossing.across:
        crossing, templates = rewrite(mirror, carrier.ledger, step)
        on_step(templates if crossing.across else crossing.hidden, templates)
    return crossing


def go_back(gallery: Gallery) -> Crossing:
    """Search the old templates again. Who was enrolled since stays, sealed, and is not found."""
    mirror = gallery.mirror

    def flip(connection: Connection, seen: Seen) -> Crossing:
        crossing = seen.state.crossing
        if crossing is None or not crossing.kept:
            raise refused(
                mirror,
                "it holds no templates of an older model",
                "Going back is possible from a migration on, until the old ones are erased",
            )
        if crossing.across:
            state = _flipped(seen.state)
            state = seen.ledger.notes.record(connection, state, "go back", {})
            mirror.put(connection, state)
            crossing = state.crossing or crossing
        return crossing

    return mirror.write(flip)


def forget(gallery: Gallery, *, new: bool = False) -> None:
    """Erase the templates that are not searched: the old model's, or, gone back, the new one's.

    Everything is sealed anew under new keys, in one transaction, and the journal is wiped: what
    was erased opens no more.
    """
    mirror = gallery.mirror

    def reseal(connection: Connection, seen: Seen) -> None:
        crossing, old = seen.state.crossing, seen.ledger
        if crossing is None or not crossing.kept or crossing.across == new:
            what = "the new model's" if new else "the old model's"
            raise refused(
                mirror,
                f"it holds no templates of {what} beside those that are searched",
                "Go back first (--back)" if new else "Migrate first; see: embedge gallery info",
            )
        header = new_header(
            seen.side.contract, old.header.rows, old.key, gallery=old.header.gallery
        )
        ledger = Ledger(header, old.key, mirror.path)
        state = old.reseal(connection, seen.state, ledger, _only(seen.side.across))
        kept = replace(crossing, across=False, kept=False, hidden=0)
        state = replace(state, crossing=kept if crossing.across and kept.bridged else None)
        ledger.write_header(connection)
        left = {number for (number,) in connection.execute("SELECT id FROM person").fetchall()}
        gone = sorted(set(seen.people) - left)
        state = ledger.notes.record(connection, state, "forget", {}, gone)
        mirror.put(connection, state, ledger)

    mirror.write(reseal)
    mirror.scrub()


def _only(across: bool) -> Change:
    """What is searched, in the space of the new header; its marks come along."""
    return lambda templates: [
        replace(each, row=row, across=None, mark=each.mark if across else NATIVE)
        for each in templates
        if (row := each.at(across=across)) is not None
    ]


def _flipped(state: State) -> State:
    crossing = state.crossing
    assert crossing is not None
    other = replace(crossing, across=not crossing.across, hidden=state.templates)
    return state.next(templates=crossing.hidden, crossing=other, rewritings=state.rewritings + 1)


def _begun(mirror: Mirror, seen: Seen, bridge: Bridge, contract: EmbeddingContract) -> Crossing:
    bridge.target.require(contract)
    crossing = seen.state.crossing
    if crossing is None:
        return _new(mirror, seen, bridge, contract)
    if not crossing.kept:
        raise refused(
            mirror,
            f"{crossing.bridged} of its templates were bridged before, and none is bridged twice",
            "Enrol these people again; who they are says: embedge gallery bridged",
        )
    if crossing.bridge != bridge.digest:
        raise refused(
            mirror,
            "it is on its way over another map",
            "Erase what is not searched (--forget-old or --forget-new), then begin again",
        )
    return crossing


def _new(mirror: Mirror, seen: Seen, bridge: Bridge, contract: EmbeddingContract) -> Crossing:
    bridge.source.require(seen.side.contract)
    if bridge.source.space == bridge.target.space:
        raise refused(mirror, "both models speak one space", "Use the new model as it is")
    if bridge.threshold is None:
        raise refused(
            mirror,
            "the map has no threshold for bridged templates",
            "Make it with labelled people, or with more pictures: embedge bridge --labelled",
        )
    return Crossing(contract, bridge.digest, bridge.operating_points)
