"""A gallery looked over without changing it, and what is whole of a damaged one saved."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import sync
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.keys import checked_key
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.mirror import Mirror
from embedge.runtime.gallery.sealed.header import Header
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import ATTEMPTS, AUDIT
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import NATIVE, Group, Template, turned
from embedge.runtime.gallery.storage.carving import RECOVERING, carved, headers
from embedge.runtime.gallery.storage.database import Database, is_there
from embedge.runtime.gallery.storage.failures import (
    FAILURES,
    busy,
    damage,
    database_error,
    disk_error,
    exists_already,
    missing,
)
from embedge.runtime.gallery.storage.registry import while_quiet

__all__ = ["Saved", "check", "recover"]


def check(path: Path, key: bytes | None) -> list[str]:
    """What is wrong with the gallery, all of it read: nothing, where the list is empty."""
    checked_key(key, path)
    found = _wrong_with(path, key)
    if found and not _wrong_with(path, key):  # SQLite calls a failing disk's pages malformed too
        raise disk_error(path, "something could be read the second time only", "it was only read")
    return found


def _wrong_with(path: Path, key: bytes | None) -> list[str]:
    with closing(Mirror(Database(path, writable=False), key, 1, "onnxruntime")) as mirror:
        with mirror.database.reading() as connection:
            pages = connection.execute("PRAGMA integrity_check(20)")
            found = [str(text) for (text,) in pages if text != "ok"]
        try:
            with mirror.reading() as (connection, seen):
                for table in (AUDIT, ATTEMPTS):
                    seen.ledger.notes.read(connection, seen.state, table)
        except EmbedgeError as error:
            if error.code != "E-GALLERY":
                raise
            found.append(error.what)
    return found


@dataclass(frozen=True, slots=True)
class Saved:
    """`lost` names people of whom something is gone; the counts are of what nobody can name."""

    people: int
    templates: int
    lost: tuple[str, ...]
    lost_people: int
    lost_templates: int

    @property
    def whole(self) -> bool:
        return not (self.lost or self.lost_people or self.lost_templates)


def recover(path: Path, target: Path, key: bytes | None) -> Saved:
    """Write every person and template that still opens into a new gallery; `path` stays."""
    checked_key(key, path)
    if not path.is_file():
        raise missing(path, "there is no such file", "Give the damaged gallery's file")
    _require_free(target)
    try:
        with _workplace(target) as folder:
            copy, new = _copied(path, folder), folder / "new"
            saved = _saved(copy, _ledger(copy, key, path), new)
            _published(new, target)
            return saved
    except OSError as error:
        raise database_error(error, target, "nothing was recovered") from error


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """A folder beside the target; what somebody left who was killed in it goes first."""
    folder = target.parent / RECOVERING
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy(target) from error
        try:
            for left in folder.iterdir():
                left.unlink()
            yield folder
        finally:
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _require_free(target: Path) -> None:
    if target.is_symlink() or is_there(target):
        raise exists_already(target)


def _published(new: Path, target: Path) -> None:
    """Nobody else's file is replaced, and no journal of an earlier one is played back into it."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        _require_free(target)
    target.with_name(f"{target.name}-journal").unlink(missing_ok=True)
    new.replace(target)
    sync(target.parent)


def _copied(path: Path, folder: Path) -> Path:
    """With the journal of an interrupted writing, which SQLite plays back where it can."""
    copy = folder / "g"
    with while_quiet(path):
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{os.path.realpath(path)}-journal", f"{copy}-journal")
    with suppress(*FAILURES), closing(sqlite3.connect(copy)) as connection:
        connection.execute("SELECT value FROM header").fetchone()
    return copy


def _ledger(copy: Path, key: bytes | None, path: Path) -> Ledger:
    for raw in headers(copy):
        try:
            return Ledger(Header.from_bytes(raw, path), key, path)
        except EmbedgeError as error:
            if error.code == "E-KEY":
                raise
    raise damage(path, "neither of its two headers can be read, and without one nothing opens")


def _saved(copy: Path, ledger: Ledger, target: Path) -> Saved:
    state, known, trail = _state_people_trail(copy, ledger)
    people, lost = _templates(copy, ledger, known)
    if state is None or state.crossing is None:
        people = {name: old for name, some in people.items() if (old := _old_ones(some))}
    header, key = ledger.header, ledger.key
    with Gallery.create(
        target, header.contract, key=key, rows=header.rows, unencrypted=key is None
    ) as new:
        _write(new, ledger, state, people, trail)
    templates = sum(map(len, people.values()))
    names = {name for name, _ in known.values()}
    return Saved(
        people=len(people),
        templates=templates,
        lost=tuple(sorted(lost | (names - set(people)))),
        lost_people=max(0, state.people - len(names)) if state else 0,
        lost_templates=max(0, state.templates - templates) if state else 0,
    )


def _state_people_trail(
    copy: Path, ledger: Ledger
) -> tuple[State | None, dict[int, tuple[str, bytes]], list[Any]]:
    """A row says nothing of its table; it opens in one only."""
    state, known, trail = None, {}, {}
    for number, sealed, *more in carved(copy):
        if more or not isinstance(sealed, bytes) or not isinstance(number, int):
            continue
        with suppress(EmbedgeError):
            known[number] = ledger.name(number, sealed), sealed
            continue
        with suppress(EmbedgeError):
            trail[number] = ledger.notes.opened(AUDIT, number, sealed)
            continue
        with suppress(EmbedgeError):
            state = ledger.opened_state(sealed)
    return state, known, [trail[number] for number in sorted(trail)]


def _templates(
    copy: Path, ledger: Ledger, known: dict[int, tuple[str, bytes]]
) -> tuple[dict[str, list[Template]], set[str]]:
    """(everybody's templates that open, those who have lost some)"""
    people: dict[str, list[Template]] = {}
    lost: set[str] = set()
    for row in carved(copy):
        match row:
            case (int(record), int(person), bytes(sealed)) if person in known:
                name, wrapped = known[person]
                try:
                    found = ledger.opened(record, person, wrapped, sealed)
                    people.setdefault(name, []).extend(found)
                except EmbedgeError:
                    lost.add(name)
    return people, lost


def _write(
    new: Gallery,
    ledger: Ledger,
    state: State | None,
    people: dict[str, list[Template]],
    trail: list[Any],
) -> None:
    with new.mirror.writing() as (connection, seen):
        again = seen.ledger
        secret = state.secret if state else seen.state.secret  # the same pseudonyms as before
        crossing, searched = _crossing(state, people)
        begun = replace(seen.state, secret=secret, crossing=crossing)
        turns = ledger.turns_to(again, begun)
        groups = [Group(None, name, turned(some, *turns)) for name, some in people.items()]
        saved = replace(again.add(connection, begun, groups), templates=searched)
        for note in trail:
            saved = again.notes.append(connection, saved, note)
        counts = {name: len(templates) for name, templates in people.items()}
        new.mirror.put(connection, again.notes.record(connection, saved, "recover", counts))


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
