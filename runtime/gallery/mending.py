"""What is whole of a damaged gallery, saved."""

import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, Passing, ours
from embedge.runtime.gallery.copies.checking import check
from embedge.runtime.gallery.copies.workplace import Workplace, require_free, workplace
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.keys import checked_key_or_none
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, AUDIT, digest_of
from embedge.runtime.gallery.sealed.sealing import TAG
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import NATIVE, Group, Template, is_unit, matrix_of
from embedge.runtime.gallery.storage import journal
from embedge.runtime.gallery.storage.carving import carved, headers
from embedge.runtime.gallery.storage.database import identity_of
from embedge.runtime.gallery.storage.failures import FAILURES, as_path, damage, database_error
from embedge.runtime.gallery.storage.raw import Raw, raw
from embedge.runtime.gallery.storage.registry import when_quiet_at

__all__ = ["Saved", "check", "recover"]


@dataclass(frozen=True, slots=True)
class Saved:
    """`lost` names people of whom something is gone; the counts are of what nobody can name.

    `erased` were left out, as rows of theirs had been put back; `doubtful` are people of whom
    nothing left says whether they were erased: everybody, once both copies of the gallery's state
    are gone. `adds_up`: these are the rows that the state speaks of, all of them and no other.
    `attempts`: the failed attempts too, so that whoever had to wait still has to; `trail`: every
    entry of the audit trail. `unopened` rows are there that the key and the header do not open.
    `unread` are files beside it that are no part of a gallery.
    """

    people: int
    templates: int
    lost: tuple[str, ...]
    lost_people: int
    lost_templates: int
    erased: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    adds_up: bool = True
    attempts: bool = True
    trail: bool = True
    unopened: int = 0
    unread: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        gone = self.lost or self.lost_people or self.lost_templates or self.unopened
        there = self.adds_up and self.attempts and self.trail
        return there and not (gone or self.erased or self.doubtful)


def recover(
    path: str | Path, target: str | Path, key: bytes | None, *, keep_doubtful: bool = False
) -> Saved:
    """Write every person and template that still opens into a new gallery; `path` stays.

    Nobody who was erased comes back: where state, rows and audit trail are too damaged to tell,
    only `keep_doubtful` takes what may be of somebody erased.
    """
    path, target = as_path(path), as_path(target)
    key = checked_key_or_none(key, path)
    identity_of(path, "Give the damaged gallery's file")
    try:
        require_free(target)
        with workplace(target) as place:
            copy = _copied(path, place)
            with raw(copy) as file:
                ledger = _ledger(file, key, path)
                saved = _saved(file, ledger, place.path / "new", keep_doubtful)
            place.publish("new", target, path.stat().st_mode & 0o666)
            return replace(saved, unread=tuple(journal.logs_beside(journal.real_path(path))))
    except ours(OSError) as error:
        raise database_error(error, target, "nothing was recovered") from error


def _copied(path: Path, place: Workplace) -> Path:
    """With the journal of an interrupted writing, which SQLite plays back where it can."""
    copy = place.path / "g"
    with raw(path) as file:
        when_quiet_at(path, lambda: _bring(path, file, place, copy))
    with Passing(*FAILURES), closing(sqlite3.connect(copy)) as connection:
        connection.execute("SELECT value FROM header").fetchone()
    return copy


def _bring(path: Path, file: Raw, place: Workplace, copy: Path) -> None:
    real = journal.real_path(path)
    journal.require_plain(real, path)
    journal.require_own(real, path)
    with place.create(copy.name) as stream:
        stream.writelines(file.parts())
    with (
        suppress(FileNotFoundError),
        raw(journal.journal_of(real)) as file,
        place.create(journal.journal_of(copy).name) as stream,
    ):
        stream.writelines(file.parts())


def _ledger(copy: Raw, key: bytes | None, path: Path) -> Ledger:
    for row in headers(copy):
        try:
            return Ledger(Header.from_bytes(row, path), key, path)
        except EmbedgeError as error:
            if error.code == "E-KEY":
                raise
    raise damage(path, "neither of its two headers can be read, and without one nothing opens")


@dataclass(slots=True)
class _Found:
    """Everything that opens, by its number: a person's name and wrapped key, a record's owner,
    templates and tag, an entry of the audit trail."""

    state: State | None = None
    people: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    records: dict[int, tuple[int, list[Template], bytes]] = field(default_factory=dict)
    trail: dict[int, Any] = field(default_factory=dict)
    tries: list[bytes] = field(default_factory=list)  # tags of the trail's rows
    attempts: dict[int, tuple[Any, bytes]] = field(default_factory=dict)  # and their rows' tags
    broken: set[int] = field(default_factory=set)  # people of whom a record does not open
    unopened: int = 0

    def without(self, gone: Collection[int]) -> "_Found":
        people = {number: each for number, each in self.people.items() if number not in gone}
        records = {number: each for number, each in self.records.items() if each[0] not in gone}
        return replace(self, people=people, records=records, broken=self.broken - set(gone))

    @property
    def trusted(self) -> bool:
        """Not where the audit trail goes on after the state, or ends otherwise: it was put back.

        A trail that ends too early is damage, or a copy of the whole from before.
        """
        if self.state is None:
            return False
        number, digest = self.state.next_audit - 1, self.state.newest
        ends = {digest_of(entry) for at, entry in self.trail.items() if at == number}
        return max(self.trail, default=0) <= number and ends <= {digest}

    def adds_up(self, ledger: Ledger) -> bool:
        tags = [wrapped[-TAG:] for _, wrapped in self.people.values()]
        tags += [tag for _, _, tag in self.records.values()]
        trusted = self.state if self.trusted else None
        return trusted is not None and ledger.sum_of.of(tags) == trusted.rows

    def names(self, numbers: Iterable[int]) -> set[str]:
        return {self.people[number][0] for number in numbers}

    def templates(self) -> dict[str, list[Template]]:
        people: dict[str, list[Template]] = {}
        for owner, templates, _ in self.records.values():
            people.setdefault(self.people[owner][0], []).extend(templates)
        return people


def _saved(copy: Raw, ledger: Ledger, target: Path, keep_doubtful: bool) -> Saved:
    found = _found(copy, ledger)
    gone, unsure = _left(found, ledger)
    erased, doubtful = found.names(gone), found.names(unsure)
    found = found.without(gone if keep_doubtful else gone | unsure)
    state, adds_up = found.state, found.adds_up(ledger)
    people = found.templates()
    if state is None or state.crossing is None:
        people = {name: old for name, some in people.items() if (old := _old_ones(some))}
    header, key = ledger.header, ledger.key
    with Gallery.create(
        target, header.contract, key=key, rows=header.rows, unencrypted=key is None
    ) as new:
        new.mirror.write(lambda f, seen: new.mirror.put(f, _filled(f, seen, found, people)))
    templates = sum(map(len, people.values()))
    names = found.names(found.people)
    tries = [tag for _, tag in found.attempts.values()]
    known = len(names | doubtful)
    told = state if found.trusted else None
    return Saved(
        people=len(people),
        templates=templates,
        lost=tuple(sorted(found.names(found.broken) | (names - set(people)))),
        lost_people=max(0, told.people - known) if told else 0,
        lost_templates=max(0, told.templates - templates) if told else 0,
        erased=tuple(sorted(erased)),
        doubtful=tuple(sorted(doubtful)),
        adds_up=adds_up,
        attempts=told is not None and ledger.notes.adds_up(tries, told, ATTEMPTS),
        trail=told is not None and ledger.notes.adds_up(found.tries, told, AUDIT),
        unopened=found.unopened,
    )


def _found(copy: Raw, ledger: Ledger) -> _Found:
    """A row says nothing of its table; it opens in one only."""
    found = _Found()
    for number, sealed, *more in carved(copy):
        if more or not isinstance(sealed, bytes) or not isinstance(number, int):
            continue
        with suppress(EmbedgeError):
            found.people[number] = ledger.name(number, sealed), sealed
            continue
        with suppress(EmbedgeError):
            entry = ledger.notes.opened(AUDIT, number, sealed)
            if number not in found.trail:
                found.tries.append(sealed[-TAG:])
            found.trail[number] = entry
            continue
        with suppress(EmbedgeError):
            found.attempts[number] = ledger.notes.opened(ATTEMPTS, number, sealed), sealed[-TAG:]
            continue
        with suppress(EmbedgeError):
            state = ledger.opened_state(sealed)
            if found.state is None or state.counter > found.state.counter:
                found.state = state
            continue
        found.unopened += sealed != ledger.raw
    _find_records(copy, ledger, found)
    return found


def _find_records(copy: Raw, ledger: Ledger, found: _Found) -> None:
    for row in carved(copy):
        match row:
            case (int(record), int(person), bytes(sealed)):
                _, wrapped = found.people.get(person, ("", b""))
                try:
                    templates = ledger.opened(record, person, wrapped, sealed)
                    _require_loadable(templates, found.state, ledger)
                    found.records[record] = person, templates, sealed[-TAG:]
                except EmbedgeError:
                    found.broken |= {person} & found.people.keys()
                    found.unopened += 1


def _require_loadable(templates: list[Template], state: State | None, ledger: Ledger) -> None:
    """Refuse what opens and still could not be searched: one such row, and no gallery loads."""
    crossing = state.crossing if state else None
    for across, dim in ((False, ledger.dim), (True, crossing.contract.dim if crossing else 0)):
        some = [each for each in templates if each.at(across=across) is not None]
        matrix = matrix_of(some, across=across) if some else None
        if matrix is not None and not (is_unit(matrix) and dim in (0, matrix.shape[1])):
            raise damage(ledger.path, "a template is not of its space")


def _left(found: _Found, ledger: Ledger) -> tuple[set[int], set[int]]:
    """The numbers of those who are not enrolled any more, and of those of whom nothing tells.

    Only the state says that the audit trail has its end still, and it knows nobody newer.
    """
    state, everybody = found.state, set(found.people)
    if found.adds_up(ledger):
        return set(), set()
    if state is None or not found.trusted:
        return set(), everybody
    gone = set[int]()
    if state.next_person > state.people + 1:  # somebody has left
        if not ledger.notes.adds_up(found.tries, state, AUDIT):
            return set(), everybody
        for _, entry in sorted(found.trail.items()):  # a recovery numbers people anew
            gone = set() if entry["event"] == "recover" else gone | set(entry.get("gone", ()))
    if state.next_person != state.people + 1 + len(gone):
        return set(), everybody
    return gone & everybody, {number for number in everybody if number >= state.next_person}


def _filled(
    connection: sqlite3.Connection, seen: Seen, found: _Found, people: dict[str, list[Template]]
) -> State:
    state, again = found.state, seen.ledger
    secret = state.secret if state else seen.state.secret  # the same pseudonyms as before
    crossing, searched = _crossing(state, people)
    begun = replace(seen.state, secret=secret, crossing=crossing)
    groups = [Group(None, name, some) for name, some in people.items()]
    saved = replace(again.add(connection, begun, groups), templates=searched)
    for _, note in sorted(found.trail.items()):
        saved = again.notes.append(connection, saved, note)
    for number, (note, _) in found.attempts.items() if state else ():
        saved = again.notes.put(connection, saved, ATTEMPTS, number, note)
    counts = {name: len(templates) for name, templates in people.items()}
    return again.notes.record(connection, saved, "recover", counts)


def _crossing(
    state: State | None, people: dict[str, list[Template]]
) -> tuple[Crossing | None, int]:
    """(as it was, counted anew, how many templates are searched)

    The records are numbered anew too, so that a migration looks at each of them again.
    """
    if state is None or state.crossing is None:
        return None, sum(map(len, people.values()))
    begun = replace(state.crossing, done=0, hidden=0, bridged=0)
    found = [begun.counted(templates) for templates in people.values()]
    hidden, bridged = sum(each.hidden for each in found), sum(each.bridged for each in found)
    counted = replace(begun, hidden=hidden, bridged=bridged)
    return counted, sum(each.searched for each in found)


def _old_ones(templates: list[Template]) -> list[Template]:
    """Where nothing says any more of which model a bridged template is, and how strict to be."""
    return [
        replace(each, across=None, mark=NATIVE)
        for each in templates
        if each.row is not None and (each.across is not None or each.mark == NATIVE)
    ]
