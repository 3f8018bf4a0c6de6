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
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from operations import (
    BASE,
    CONTRACT,
    KEY,
    LATER,
    MORE,
    NEW_KEY,
    OPERATIONS,
    PEOPLE,
    State,
    add,
    in_space,
)
from two_galleries import NEW, OLD, bridge, rows

from embedge.errors import EmbedgeError
from embedge.runtime.gallery import gallery as gallery_file
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.migration.going import go_back, migrate
from embedge.runtime.gallery.storage import database

COUNT, FAIL, FAIL_ON, KILL_BEFORE, KILL_AFTER, TORN = range(6)
NAMES = [  # as faults.c numbers them
    *("open", "read", "write", "sync", "truncate", "unlink", "lock", "stat"),
    *("close", "seek", "owner", "folder"),
]
KINDS = set(range(len(NAMES)))
OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, STAT, CLOSE, SEEK, OWNER, FOLDER = sorted(KINDS)
CHANGING = {OPEN, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, CLOSE, OWNER, FOLDER}
ACTIONS = [  # what is done, with which error, to which kinds of calls
    (FAIL, errno.EIO, KINDS),
    (FAIL, errno.ENOSPC, {OPEN, WRITE, SYNC, TRUNCATE, CLOSE, FOLDER}),
    (FAIL, errno.EINTR, {OPEN, READ, WRITE, SYNC, TRUNCATE, LOCK, CLOSE}),
    (FAIL_ON, errno.EIO, {WRITE, SYNC, TRUNCATE}),
    (FAIL_ON, errno.ENOSPC, {WRITE, TRUNCATE}),
    (KILL_BEFORE, 0, KINDS),
    (KILL_AFTER, 0, CHANGING),
    (TORN, 0, {WRITE}),
]


@dataclass(frozen=True)
class Found:
    """In the files after a point: who, the space searched, why it cannot go on, what is left."""

    state: State | None
    space: str
    stuck: str
    left: str


@dataclass(frozen=True)
class Said:
    """How a child ended: done, refused, crashed or killed; what it said; whether the call that
    was to fail came; what became of the refused gallery: in hand, gone on."""

    outcome: str
    text: str
    fired: bool = True
    then: str = ""


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
        with Gallery.open(self.path, key=KEY) as gallery:
            sealed = gallery.mirror.read(
                lambda file, seen: [
                    row
                    for name in self.operation.erased
                    for row in seen.ledger.sealed_rows(file, seen.number(name) or 0)
                ]
            )
        return self.path.read_bytes(), [row[i : i + 24] for row in sealed for i in (0, 40)]

    def _reset(self, whole: bytes | None) -> None:
        for file in self.folder.iterdir():
            file.unlink()
        if whole:
            self.path.write_bytes(whole)

    def _child(self, point: int, action: int, number: int, *, go_on: bool = False) -> Said:
        """Run the operation; where it is refused and is to go on, the same gallery enrols fay."""
        self._reset(self.whole)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            # so that points that come equally far leave the same bytes, looked through once only
            os.urandom = random.Random(0).randbytes
            gallery_file.now_in_utc = lambda: "2026-01-01T00:00:00Z"
            said = self._run_in_child(point, action, number, go_on=go_on)
            os.write(writing, json.dumps(asdict(said)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            heard = stream.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed = os.WTERMSIG(status) == signal.SIGKILL
            return Said("killed" if killed else "crashed", f"signal {os.WTERMSIG(status)}")
        return Said(**json.loads(heard))

    def _run_in_child(self, point: int, action: int, number: int, *, go_on: bool) -> Said:
        then = ""

        def refused(gallery: Gallery) -> None:
            nonlocal then
            then = "in hand"
            if go_on:
                self.shim.faults_disarm()
                then = self._go_on(gallery)

        self.shim.faults_arm(os.fsencode(self.folder), point, action, number)
        outcome, text = "done", ""
        try:
            self.operation.run(self.path, refused)
        except EmbedgeError as error:
            outcome, text = "refused", str(error)
        except BaseException:
            outcome, text = "crashed", traceback.format_exc()
        self.shim.faults_disarm()
        if action == COUNT:
            kinds = [self.shim.faults_kind(call) for call in range(self.shim.faults_calls())]
            text = json.dumps(kinds)
        return Said(outcome, text, bool(self.shim.faults_fired()), then)

    @staticmethod
    def _go_on(gallery: Gallery) -> str:
        try:
            add(gallery, "fay")
        except EmbedgeError as error:
            raise AssertionError("the same gallery cannot go on") from error
        return "gone on"

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
                    add(gallery, "eve")
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
            templates = (PEOPLE | LATER)[name]
            if name == "ann" and found[name] == 3:
                templates = np.concatenate([PEOPLE["ann"], MORE])
            asked = in_space(gallery, templates)
            for (best, *_), _ in zip(gallery.identify(asked, gallery.contract, count=1), asked):
                assert best.person == name
                assert best.cosine > 0.9999

    def _wrong(self, child: Said) -> str:
        """What is not as it must be after this point; empty, where all is well."""
        before, after = self.operation.before, self.operation.after
        outcome, said = child.outcome, child.text
        if outcome == "crashed":
            return said
        if not child.fired:
            return "it was never reached"
        try:
            looked = self._looked()
        except (EmbedgeError, AssertionError):
            return traceback.format_exc()
        found = looked.state
        if found and (child.then == "gone on") != (found.get("fay") == 1):
            return f"whoever was enrolled afterwards: {found}"
        if found:
            found = {name: count for name, count in found.items() if name != "fay"}
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
        return looked.left if changed else ""

    def _cannot_go_on(self) -> str:
        """The same command again: everybody, those enrolled meanwhile too, is carried."""
        try:
            with Gallery.open(self.path, key=KEY, writable=True) as gallery:
                migrate(gallery, bridge(), NEW, records=1)
                self._require_matches(gallery, BASE)
                assert gallery.contract == NEW
                assert set(gallery.people()) - {"fay"} == {*BASE, "eve"}
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
        counted = self._child(-1, COUNT, 0)
        assert counted.outcome == "done", counted.text
        kinds: list[int] = json.loads(counted.text)
        outcomes: Counter[str] = Counter()
        wrong: list[str] = []
        todo = [
            (point, kind, action, number)
            for action, number, applies in ACTIONS
            for point, kind in enumerate(kinds)
            if kind in applies
        ]
        for point, kind, action, number in todo:
            child = self._child(point, action, number)
            outcomes[child.outcome] += 1
            problem = self._wrong(child)
            if action in (KILL_BEFORE, KILL_AFTER, TORN) and child.outcome != "killed":
                problem = f"it outlived this: {child.outcome}"
            if child.then and not problem:
                child = self._child(point, action, number, go_on=True)
                outcomes[child.then] += 1
                problem = self._wrong(child)
            if problem:
                wrong.append(f"call {point} ({NAMES[kind]}) {action=} {number=}: {problem}")
        counts = {"calls": len(kinds), "points": len(todo), "states": len(self.seen)}
        each = {NAMES[kind]: kinds.count(kind) for kind in sorted(set(kinds))}
        return {**counts, **outcomes, "kinds": each, "wrong": wrong}


def main() -> None:
    library, folder, name = sys.argv[1:]
    database.WAIT = 0.2
    found = Sweep(library, Path(folder), name).run()
    print(json.dumps({"operation": name, **found}), flush=True)


if __name__ == "__main__":
    main()
