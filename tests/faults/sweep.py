"""Runs under `faults.c`: each operation once for every call it makes, which fails or is its last.

    LD_PRELOAD=faults.so python sweep.py faults.so FOLDER OPERATION

Prints one JSON line: how many calls and points there were, and what went wrong.
"""

import ctypes
import errno
import hashlib
import json
import os
import random
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from two_galleries import NEW, OLD, bridge
from two_galleries import carried as in_new_space

from embedge.errors import EmbedgeError
from embedge.runtime.gallery import gallery as gallery_file
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.gallery.storage import database

DIM, CONTRACT = OLD.dim, OLD
KEY, NEW_KEY = bytes(range(32)), bytes(32)
COUNT, FAIL, FAIL_ON, KILL_BEFORE, KILL_AFTER, TORN = range(6)
OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, STAT = range(8)
ACTIONS = [  # what is done, with which error, to which kinds of calls
    (FAIL, errno.EIO, {OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, STAT}),
    (FAIL, errno.ENOSPC, {OPEN, WRITE, SYNC, TRUNCATE}),
    (FAIL, errno.EINTR, {OPEN, READ, WRITE, SYNC, TRUNCATE, LOCK}),
    (FAIL_ON, errno.EIO, {WRITE, SYNC, TRUNCATE}),
    (FAIL_ON, errno.ENOSPC, {WRITE, TRUNCATE}),
    (KILL_BEFORE, 0, {OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, STAT}),
    (KILL_AFTER, 0, {OPEN, WRITE, SYNC, TRUNCATE, UNLINK, LOCK}),
    (TORN, 0, {WRITE}),
]
State = dict[str, int]  # templates of each person


def rows(seed: int, count: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


PEOPLE = {"ann": rows(1, 2), "ben": rows(2, 1), "cem": rows(3, 8), "dan": rows(4, 3)}
MORE = rows(5, 1)
BASE: State = {"ann": 2, "ben": 1, "cem": 8}
GROWN: State = {"ann": 3, "ben": 1, "cem": 8, "dan": 3}


def create(path: Path) -> None:
    Gallery.create(path, CONTRACT, key=KEY).close()


def enrol(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        names = ["dan"] * 3 + ["ann"]
        gallery.enroll(names, np.concatenate([PEOPLE["dan"], MORE]), CONTRACT)


def erase(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.erase("cem")


def renew(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.renew(NEW_KEY)


def compact(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.compact()


def carry(path: Path) -> None:
    """In three steps, each a transaction of its own."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        migrate(gallery, bridge(), NEW, records=1)


def carried(path: Path) -> None:
    """Where the next two begin."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        migrate(gallery, bridge(), NEW)


def return_again(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        go_back(gallery)


def stay(path: Path) -> None:
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        forget(gallery)


def checked(path: Path) -> None:
    found = check(path, KEY)
    assert not found, f"a false alarm: {found}"


@dataclass(frozen=True)
class Operation:
    run: Callable[[Path], None]
    before: State | None
    after: State
    must_vanish: bool = False  # whatever the file held of whom the operation took away
    prepare: Callable[[Path], None] = lambda _: None
    spaces: tuple[str, str] = (OLD.space, OLD.space)  # searched before, and after
    again: bool = False  # an interrupted one goes on where it was


OPERATIONS = {
    "create": Operation(create, None, {}),
    "enrol": Operation(enrol, BASE, GROWN),
    "erase": Operation(erase, BASE, {"ann": 2, "ben": 1}, must_vanish=True),
    "renew": Operation(renew, BASE, BASE, must_vanish=True),
    "compact": Operation(compact, BASE, BASE),
    "check": Operation(checked, BASE, BASE),
    "migrate": Operation(carry, BASE, BASE, spaces=(OLD.space, NEW.space), again=True),
    "go back": Operation(return_again, BASE, BASE, False, carried, (NEW.space, OLD.space)),
    "forget": Operation(stay, BASE, BASE, True, carried, (NEW.space, NEW.space)),
}


@dataclass(frozen=True)
class Found:
    """In the files after a point: who, the space searched, why it cannot go on, what is left."""

    state: State | None
    space: str
    stuck: str
    left: str


def _in_space(gallery: Gallery, templates: np.ndarray) -> np.ndarray:
    return in_new_space(templates) if gallery.contract.space == NEW.space else templates


class Sweep:
    def __init__(self, library: str, folder: Path, name: str) -> None:
        self.shim = ctypes.CDLL(library)
        self.folder, self.path = folder, folder / "g"
        self.operation, self.space = OPERATIONS[name], OLD.space
        self.seen: dict[bytes, Found] = {}
        self.whole, self.secrets = self._base()

    def _base(self) -> tuple[bytes, list[bytes]]:
        """The gallery before, and the sealed bytes that must not be found after."""
        self._reset(None)
        self.space = OLD.space
        if self.operation.before is None:
            return b"", []
        with Gallery.create(self.path, CONTRACT, key=KEY) as gallery:
            gallery.enroll("gone", rows(9, 60), CONTRACT)
            for name in self.operation.before:
                gallery.enroll(name, PEOPLE[name], CONTRACT)
            gallery.erase("gone")
        self.operation.prepare(self.path)
        erased = ("cem",) if self.operation.run is erase else ("ann", "ben", "cem")
        with Gallery.open(self.path, key=KEY) as gallery:
            sealed = gallery.mirror.read(
                lambda file, seen: [
                    row
                    for name in erased
                    for row in seen.ledger.sealed_rows(file, seen.number(name) or 0)
                ]
            )
        return self.path.read_bytes(), [row[i : i + 24] for row in sealed for i in (0, 40)]

    def _reset(self, whole: bytes | None) -> None:
        for file in self.folder.iterdir():
            file.unlink()
        if whole:
            self.path.write_bytes(whole)

    def _child(self, point: int, action: int, number: int) -> tuple[str, str]:
        """(done, refused, crashed or killed; what it said)"""
        self._reset(self.whole)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            # so that points that come equally far leave the same bytes, looked through once only
            os.urandom = random.Random(0).randbytes
            gallery_file.now_in_utc = lambda: "2026-01-01T00:00:00Z"
            self.shim.faults_arm(os.fsencode(self.folder), point, action, number)
            try:
                self.operation.run(self.path)
                said = ["done", ""]
            except EmbedgeError as error:
                said = ["refused", str(error)]
            except BaseException:
                said = ["crashed", traceback.format_exc()]
            self.shim.faults_disarm()
            count = self.shim.faults_calls()
            if action == COUNT:
                said[1] = json.dumps([self.shim.faults_kind(call) for call in range(count)])
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            heard = stream.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed = os.WTERMSIG(status) == signal.SIGKILL
            return ("killed" if killed else "crashed"), f"signal {os.WTERMSIG(status)}"
        outcome, text = json.loads(heard)
        return outcome, text

    def _looked(self) -> Found:
        """Once only for all the points that have left the same bytes."""
        held = sorted((file.name, file.read_bytes()) for file in self.folder.iterdir())
        key = hashlib.sha256(repr(held).encode()).digest()
        if key not in self.seen:
            state = self._found()
            stuck = self._cannot_go_on() if self.operation.again else ""
            self.seen[key] = Found(state, self.space, stuck, self._left_behind())
        return self.seen[key]

    def _found(self) -> State | None:
        """What is in the file afterwards; None where no gallery was created."""
        if not self.path.exists() or not self.path.stat().st_size:
            return None
        journal = self.folder / "g-journal"
        for key in (KEY, NEW_KEY):
            try:
                with Gallery.open(self.path, key=key, writable=True) as gallery:
                    found = {
                        name: len(gallery.export(name)["templates"]) for name in gallery.people()
                    }
                    self._require_matches(gallery, found)
                    eve = _in_space(gallery, rows(7, 1))
                    gallery.enroll("eve", eve, gallery.contract)
                    assert gallery.identify(eve, gallery.contract)[0][0].person == "eve"
                    self.space = gallery.contract.space
                assert check(self.path, key) == []
                return found
            except EmbedgeError as error:
                if error.code == "E-GALLERY-MISSING" and "interrupted" in error.what:
                    assert not journal.exists() or self.operation.before is None
                    return None
                if error.code != "E-KEY":
                    raise
        raise AssertionError("neither key opens it")

    @staticmethod
    def _require_matches(gallery: Gallery, found: State) -> None:
        for name in found:
            templates = np.concatenate([PEOPLE[name], MORE])[: found[name]]
            if name == "ann" and found[name] == 3:
                templates = np.concatenate([PEOPLE["ann"], MORE])
            asked = _in_space(gallery, templates)
            for (best, *_), _ in zip(gallery.identify(asked, gallery.contract, count=1), asked):
                assert best.person == name
                assert best.cosine > 0.9999

    def _wrong(self, outcome: str, said: str) -> str:
        """What is not as it must be after this point; empty, where all is well."""
        before, after = self.operation.before, self.operation.after
        if outcome == "crashed":
            return said
        try:
            looked = self._looked()
        except (EmbedgeError, AssertionError):
            return traceback.format_exc()
        found = looked.state
        if found not in (before, after):
            return f"neither before nor after: {found}"
        if outcome == "done" and found != after:
            return f"acknowledged and not there: {found}"
        spaces = self.operation.spaces
        if looked.space not in spaces or (outcome == "done" and looked.space != spaces[1]):
            return f"searched is {looked.space}"
        if looked.stuck:
            return looked.stuck
        unchanged = "nothing was changed" in said or "no gallery was created" in said
        if outcome == "refused" and unchanged and before != after and found != before:
            return f"not as it was before: {found}, {said}"
        if outcome == "refused" and "all of it is in the file" in said and found != after:
            return f"not there: {found}, {said}"
        changed = found == after != before or outcome == "done"
        return looked.left if self.operation.must_vanish and changed else ""

    def _cannot_go_on(self) -> str:
        """The same command again: everybody, those enrolled meanwhile too, is carried."""
        try:
            with Gallery.open(self.path, key=KEY, writable=True) as gallery:
                migrate(gallery, bridge(), NEW, records=1)
                self._require_matches(gallery, BASE)
                assert gallery.contract == NEW
                assert sorted(gallery.people()) == [*sorted(BASE), "eve"]
                go_back(gallery)
                self._require_matches(gallery, BASE)
            assert check(self.path, KEY) == []
        except (EmbedgeError, AssertionError):
            return traceback.format_exc()
        return ""

    def _left_behind(self) -> str:
        for file in self.folder.iterdir():
            data = file.read_bytes()
            if any(secret in data for secret in self.secrets):
                return f"erased bytes are in {file.name}"
        return ""

    def run(self) -> dict[str, object]:
        """Every point."""
        outcome, text = self._child(-1, COUNT, 0)
        assert outcome == "done", text
        kinds: list[int] = json.loads(text)
        outcomes: Counter[str] = Counter()
        wrong: list[str] = []
        todo = [
            (point, kind, action, number)
            for action, number, applies in ACTIONS
            for point, kind in enumerate(kinds)
            if kind in applies
        ]
        for point, kind, action, number in todo:
            outcome, said = self._child(point, action, number)
            outcomes[outcome] += 1
            if problem := self._wrong(outcome, said):
                wrong.append(f"call {point} kind {kind} {action=} {number=}: {problem}")
        points = sum(outcomes.values())
        counts = {"calls": len(kinds), "points": points, "states": len(self.seen)}
        return {**counts, **outcomes, "wrong": wrong}


def main() -> None:
    library, folder, name = sys.argv[1:]
    database.WAIT = 0.2
    found = Sweep(library, Path(folder), name).run()
    print(json.dumps({"operation": name, **found}), flush=True)


if __name__ == "__main__":
    main()
