"""The gallery: enrol, identify, erase, hand out, renew."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self

import numpy as np

from embedge.errors import EmbedgeError
from embedge.printed import now_in_utc
from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract, require_same_space
from embedge.runtime.encoders import Embeddings
from embedge.runtime.encoders.sessions import require_threads
from embedge.runtime.gallery.copies.backup import backup
from embedge.runtime.gallery.enrolment import (
    checked_name,
    checked_names,
    checked_rows,
    checked_source,
    require_count,
)
from embedge.runtime.gallery.erasure import ErasureProof, proof_of
from embedge.runtime.gallery.keys import checked_key_or_none
from embedge.runtime.gallery.leftovers.searching import SAME
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.migration.side import exported
from embedge.runtime.gallery.mirror import Mirror, Seen
from embedge.runtime.gallery.sealed.header import new_header
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import AUDIT, pseudonym
from embedge.runtime.gallery.sealed.repeats import first_like
from embedge.runtime.gallery.sealed.state import State
from embedge.runtime.gallery.sealed.templates import Group, matrix_of
from embedge.runtime.gallery.search.index import require_search
from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.gallery.storage.database import Database, Done, is_there
from embedge.runtime.gallery.storage.failures import as_path, key_error
from embedge.typed import argument

__all__ = ["Gallery", "GalleryInfo"]

_TRIES = 2  # before the last
_MOST_NAMED = 21  # with one template of somebody erased, who is one of them


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """`bytes` is the file's size; `epoch` counts nothing, it names the keys of this renewal."""

    people: int
    templates: int
    bytes: int
    rows: str
    cipher: str
    contract: EmbeddingContract
    gallery: str
    epoch: str
    bridged: int = 0


class Gallery(Closing):
    """People and their templates; a context manager, safe to share between threads and to use
    after a fork.

    Any number of processes may read and write it: writings follow one another, and what one has
    enrolled or erased, the others see the next time they search.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror, self._lock = mirror, mirror.database.lock

    @classmethod
    def create(
        cls,
        path: str | Path,
        contract: EmbeddingContract,
        *,
        key: bytes | None,
        rows: str = "float32",
        threads: int = 1,
        search: str = "onnxruntime",
        unencrypted: bool = False,
    ) -> Self:
        """A new gallery, bound to the contract. Without a key it must be asked for explicitly."""
        require_search(search)
        key = checked_key_or_none(key, path)
        require_threads(threads)
        if key is None and not unencrypted:
            raise key_error(
                path,
                "a gallery holds personal data and no key was given to encrypt it",
                "Make a key with: embedge gallery new-key FILE, and give --key-file FILE",
            )
        ledger = Ledger(new_header(contract, rows, key), key, as_path(path))

        def fill(connection: Connection) -> None:
            ledger.write_header(connection)
            ledger.put_state(connection, State())

        return cls._ready(Mirror(Database.create(as_path(path), fill), key, threads, search))

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        key: bytes | None = None,
        writable: bool = False,
        threads: int = 1,
        search: str = "onnxruntime",
    ) -> Self:
        """`search` is what scans the templates in memory: onnxruntime, or faiss (extra `faiss`).

        A writable opening first finishes an erasure that was interrupted.
        """
        require_search(search)
        key = checked_key_or_none(key, path)
        require_threads(threads)
        return cls._ready(Mirror(Database(as_path(path), writable=writable), key, threads, search))

    @classmethod
    def for_enrolment(
        cls,
        path: str | Path,
        contract: EmbeddingContract,
        *,
        key: bytes | None,
        rows: str = "float32",
        unencrypted: bool = False,
    ) -> Self:
        """The gallery that is there, or a new one: of many who ask at once, one creates it.

        `rows` and `unencrypted` are of a new one; a key demands that the old one is sealed.
        """
        tries = 0
        while True:
            try:
                if is_there(path):
                    return cls.open(path, key=key, writable=True)
                new_key = None if unencrypted else key
                return cls.create(path, contract, key=new_key, rows=rows, unencrypted=unencrypted)
            except EmbedgeError as error:
                tries += 1
                if tries > _TRIES or error.code not in ("E-GALLERY-EXISTS", "E-GALLERY-MISSING"):
                    raise  # else somebody created it meanwhile, or was killed while doing so

    @classmethod
    def _ready(cls, mirror: Mirror) -> Self:
        try:
            with mirror.database.lock:
                mirror.seen()
            if mirror.database.writable:
                mirror.scrub("nothing was done now: what an earlier call did is in the file")
        except BaseException:
            mirror.close()
            raise
        return cls(mirror)

    @property
    def contract(self) -> EmbeddingContract:
        return self.look(lambda seen: seen.side.contract)

    def crossing(self) -> Crossing | None:
        """How far the gallery is on its way to another model; None where it is on none."""
        return self.look(lambda seen: seen.state.crossing)

    def look(self, work: Callable[[Seen], Done]) -> Done:
        """The gallery as it is now, and as it stays for the work."""
        with self._lock:
            return work(self.mirror.seen())

    def __len__(self) -> int:
        """The number of templates."""
        return self.look(lambda seen: len(seen.index))

    def __bool__(self) -> bool:
        """A gallery of nobody is one too."""
        return True

    def people(self) -> list[str]:
        return self.look(lambda seen: sorted(seen.index.names))

    def info(self) -> GalleryInfo:
        with self._lock:
            seen = self.mirror.seen()
            header = seen.ledger.header
            return GalleryInfo(
                people=len(seen.index.names),
                templates=len(seen.index),
                bytes=self.mirror.path.stat().st_size,
                rows=header.rows,
                cipher=header.cipher,
                contract=seen.side.contract,
                gallery=header.gallery,
                epoch=header.epoch,
                bridged=seen.state.crossing.bridged if seen.state.crossing else 0,
            )

    def enroll(
        self,
        people: str | Sequence[str],
        embeddings: Embeddings,
        contract: EmbeddingContract,
        *,
        source: str = "",
    ) -> list[str]:
        """Add templates, all or none; returns their record ids once they are on the disk to stay.

        `contract` is that of the encoder: a gallery takes embeddings of its own space only. What
        a person has already, but for the last digits, is kept once: its old id is returned.
        """
        rows, source = checked_rows(embeddings, contract, self.contract), checked_source(source)
        names = checked_names(people, len(rows))
        if not names:
            return []

        def add(connection: Connection, seen: Seen) -> list[str]:
            require_same_space(seen.side.contract, contract)  # it may have gone over meanwhile
            matrix = seen.side.kept(rows)
            ids, groups = _grouped(connection, seen, names, matrix, source)
            if groups:
                state = seen.ledger.add(connection, seen.state, groups)
                counts = {group.name: len(group.templates) for group in groups}
                state = seen.ledger.notes.record(connection, state, "enrol", counts)
                self.mirror.put(connection, state)
            return ids

        return self.mirror.write(add)

    def identify(
        self,
        embeddings: Embeddings,
        contract: EmbeddingContract,
        *,
        count: int = 5,
        handicap: float = 0.0,
    ) -> list[list[Ranked]]:
        """For each embedding the best `count` people; a decision is the caller's policy.

        Bridged templates rank `handicap` lower than their cosine: by as much as their threshold
        is above that of native ones.
        """
        require_count(count)
        handicap = argument(float, handicap, "handicap", "a finite number")
        return self.look(lambda seen: seen.search(embeddings, contract, count, handicap))

    def erase(
        self, person: str, *, prove: bool = False, embeddings: Embeddings | None = None
    ) -> ErasureProof:
        """Destroy a person's key, overwrite their rows, and wipe the journal.

        With `prove` every file of the gallery's folder is then searched for every form that the
        templates may have; for the encoder's own floats too where `embeddings` are given. With
        them, somebody erased earlier can be searched for again.
        """
        asked = checked_name(person)

        def destroy(connection: Connection, seen: Seen) -> tuple[str, ErasureProof, list[str]]:
            name, number, ledger = seen.named(asked), seen.number(asked), seen.ledger
            if number is None and embeddings is None:
                raise _nobody(name, self.mirror.path)
            here = seen.side.contract
            own = None if embeddings is None else checked_rows(embeddings, here, here)
            proof, looked_for = proof_of(connection, seen, name, number, own)
            others = sorted(_who_has(seen, looked_for) - {name}) if prove else []
            if number is not None:
                state = ledger.erase(connection, seen.state, number)
                count = {name: proof.templates}
                state = ledger.notes.record(connection, state, "erase", count, [number])
                self.mirror.put(connection, state)
            return name, proof, others

        name, proof, others = self.mirror.write(destroy)
        self.mirror.scrub()
        if not prove:
            return proof
        ledger = self.look(lambda seen: seen.ledger)
        return proof.searched(self.mirror.path, ledger, listed=name in self.people(), others=others)

    def compact(self) -> None:
        """Give the space that erased people have left back to the file system."""

        def note(connection: Connection, seen: Seen) -> None:
            state = seen.ledger.notes.record(connection, seen.state, "compact", {})
            self.mirror.put(connection, state.next(unscrubbed=1))

        self.mirror.write(note)
        with self._lock:
            self.mirror.database.compact()
        self.mirror.scrub()

    def backup(self, target: str | Path) -> None:
        """A copy as it is now, sealed as it is, the owner's; of a damaged gallery there is none."""
        len(self)  # by the key that it has now
        backup(self.mirror.path, target, self.mirror.key)

    def renew(self, new_key: bytes | None = None) -> None:
        """New keys for everybody: under a `new_key` no older copy opens."""
        new_key = checked_key_or_none(new_key, self.mirror.path)
        if self.mirror.key is None:
            raise key_error(
                self.mirror.path,
                "only an encrypted gallery can be renewed",
                "Create an encrypted gallery and enrol again",
            )

        def reseal(connection: Connection, seen: Seen) -> None:
            old, key = seen.ledger, new_key or self.mirror.key
            header = new_header(old.header.contract, old.header.rows, key, old.header.gallery)
            ledger = Ledger(header, key, self.mirror.path)
            state = old.reseal(connection, seen.state, ledger)
            ledger.write_header(connection)
            state = ledger.notes.record(connection, state, "renew", {})
            self.mirror.put(connection, state, ledger)

        self.mirror.write(reseal)
        self.mirror.scrub()

    def export(self, person: str) -> dict[str, Any]:
        """Everything the gallery knows about one person, in plain JSON values."""
        name = checked_name(person)
        return self.mirror.read(lambda connection, seen: _exported(connection, seen, name))

    def audit(self) -> Iterator[dict[str, Any]]:
        """What was done and when. People appear as keyed pseudonyms, embeddings never."""
        return iter(self.mirror.read(_trail))

    def close(self) -> None:
        self.mirror.close()


def _grouped(
    connection: Connection, seen: Seen, names: Sequence[str], matrix: Matrix, source: str
) -> tuple[list[str], list[Group]]:
    """(every row's record id, for each person what is new)"""
    of_person: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        of_person.setdefault(seen.named(name), []).append(row)
    ids, groups, now = [""] * len(names), [], now_in_utc()
    for name, places in of_person.items():
        person, side = seen.number(name), seen.side
        before = [] if person is None else seen.ledger.templates(connection, person)
        known = [each for each in before if each.at(across=side.across) is not None]
        old = len(known)
        known += [side.template(os.urandom(16).hex(), now, source, matrix[row]) for row in places]
        like = first_like(matrix_of(known, across=side.across)) if len(known) > 1 else [0]
        for row, place in enumerate(places, old):
            ids[place] = known[like[row]].record
        new = [known[row] for row in range(old, len(known)) if like[row] == row]
        if new:
            groups.append(Group(person, name, new))
    return ids, groups


def _exported(connection: Connection, seen: Seen, name: str) -> dict[str, Any]:
    name, number, ledger = seen.named(name), seen.number(name), seen.ledger
    if number is None:
        raise _nobody(name, ledger.path)
    across, other = seen.side.across, ledger.side(seen.state, hidden=True)
    templates = [exported(each, across=across) for each in ledger.templates(connection, number)]
    who = pseudonym(seen.state, name)
    trail = [entry for entry in _trail(connection, seen) if entry["who"] == who]
    told = {"person": name, "contract": seen.side.contract.to_json()}
    if seen.state.crossing is not None and seen.state.crossing.kept:
        told["other_contract"] = other.contract.to_json()
    return {**told, "templates": templates, "audit": trail}


def _who_has(seen: Seen, embeddings: Embeddings) -> set[str]:
    """Everybody with one of these embeddings, but for rounding."""
    queries = float_from_rows(seen.side.stored(embeddings))  # as long as what is like it
    limits = SAME * np.einsum("ij,ij->i", queries, queries)
    best = seen.index.search(queries, _MOST_NAMED)
    pairs = zip(best, limits, strict=True)
    return {each.person for some, limit in pairs for each in some if each.cosine > limit}


def _trail(connection: Connection, seen: Seen) -> list[dict[str, Any]]:
    """One entry a person, as they were written."""
    notes = seen.ledger.notes.read(connection, seen.state, AUDIT).values()
    return [
        {"at": note["at"], "event": note["event"], "who": who, "templates": templates}
        for note in notes
        for who, templates in note["who"] or [[None, 0]]
    ]


def _nobody(person: str, path: Path) -> EmbedgeError:
    return EmbedgeError(
        "E-PERSON",
        f"nobody named '{person}' is enrolled",
        where=path,
        remedy="List the names with: embedge gallery people GALLERY",
    )
