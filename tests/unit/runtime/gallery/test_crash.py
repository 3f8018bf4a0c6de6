"""kill -9 at random instants: what was acknowledged is there, and nothing else is."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check, recover

DIM = 16
CONTRACT = tiny_contract(DIM)
KEY = bytes(range(32))
INSTANTS = 120


def row_of(name: str) -> np.ndarray:
    row = np.random.default_rng(int(name)).normal(size=DIM).astype(np.float32)
    return row / np.linalg.norm(row)


def write_until_killed(path: Path, seed: int, acknowledge: int) -> None:
    """The child: random operations, each announced before and acknowledged after."""
    dice = random.Random(seed)
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        os.write(acknowledge, b"open\n")
        while True:
            people = gallery.people()
            kind = dice.choices(["enrol", "erase", "compact", "renew"], [12, 3, 1, 1])[0]
            if kind == "erase" and len(people) < 5:
                kind = "enrol"
            name = str(dice.randrange(10**9)) if kind == "enrol" else ""
            name = dice.choice(people) if kind == "erase" else name
            os.write(acknowledge, f"start {kind} {name}\n".encode())
            match kind:
                case "enrol":
                    gallery.enroll(name, row_of(name), CONTRACT)
                case "erase":
                    gallery.erase(name)
                case "compact":
                    gallery.compact()
                case "renew":
                    gallery.renew()
            os.write(acknowledge, f"done {kind} {name}\n".encode())


def killed_run(path: Path, seed: int, seconds: float) -> list[list[str]]:
    """Fork a writer, kill it some time after it opened the gallery; what it said meanwhile."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_until_killed(path, seed, writing)
        finally:
            os._exit(1)  # only reached by an error
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert stream.readline() == b"open\n"
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the writer failed before it was killed"
        return [line.decode().split() for line in stream]


def applied(people: set[str], operation: list[str]) -> set[str]:
    match operation:
        case ["enrol", name]:
            return people | {name}
        case ["erase", name]:
            return people - {name}
    return people


def test_kill_9_at_random_instants_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "people.gallery"
    Gallery.create(path, CONTRACT, key=KEY).close()
    dice = random.Random(0)
    people: set[str] = set()
    interrupted = 0
    for seed in range(INSTANTS):
        said = killed_run(path, seed, dice.random() ** 2 * 0.03)
        for _, *operation in (line for line in said if line[0] == "done"):
            people = applied(people, operation)
        allowed = [people]
        if said and said[-1][0] == "start":
            allowed.append(applied(people, said[-1][1:]))
            interrupted += 1
        with Gallery.open(path, key=KEY, writable=True) as gallery:
            people = set(gallery.people())
            assert people in allowed
            for name in sorted(people)[:3]:
                ((best, *_),) = gallery.identify(row_of(name), CONTRACT, count=1)
                assert best.person == name
                assert best.cosine > 0.9999
        beside = {"people.gallery", "people.gallery-journal"}
        assert {each.name for each in tmp_path.iterdir()} <= beside
    assert interrupted > INSTANTS // 4  # the kills did fall into operations


def test_a_reader_beside_a_busy_writer_never_sees_anything_broken(tmp_path: Path) -> None:
    path = tmp_path / "people.gallery"
    Gallery.create(path, CONTRACT, key=KEY).close()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write_until_killed(path, 99, writing)
        finally:
            os._exit(1)
    try:
        seen, looks, deadline = set(), 0, time.monotonic() + 3
        with Gallery.open(path, key=KEY) as reader:
            while time.monotonic() < deadline:
                seen.add(len(reader))
                looks += 1
        assert looks > 20
        assert len(seen) > 3
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_under_a_second_name_nothing_is_written(tmp_path: Path) -> None:
    """SQLite finds a journal by the file's name: a crash under the other one would undo this."""
    path, other = tmp_path / "g", tmp_path / "link"
    Gallery.create(path, CONTRACT, key=KEY).close()
    os.link(path, other)
    for name in (path, other):
        with Gallery.open(name, key=KEY, writable=True) as gallery:
            people = gallery.people()
            with pytest.raises(EmbedgeError, match="E-GALLERY-LINKED"):
                gallery.enroll("eve", row_of("7"), CONTRACT)
            assert gallery.people() == people
    other.unlink()
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        gallery.enroll("eve", row_of("7"), CONTRACT)


@pytest.mark.parametrize(
    "name", ["a\nb", "a?b#c%41", "-x", ":memory:", "file:x?mode=ro", "u\u0308", "x" * 240]
)
def test_whatever_the_file_is_called_it_lives(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for person in range(2):
        with Gallery.for_enrolment(name, CONTRACT, key=KEY) as gallery:
            gallery.enroll(str(person), row_of(str(person)), CONTRACT)
    with Gallery.open(name, key=KEY, writable=True) as gallery:
        assert gallery.erase("0", prove=True).proven
        gallery.compact()
        gallery.renew()
    assert check(Path(name), KEY) == []
    assert recover(Path(name), Path("saved"), KEY).people == 1


def test_a_full_disk_keeps_nothing_of_a_bulk_enrolment(tmp_path: Path) -> None:
    count = 20_000
    rows = np.random.default_rng(2).normal(size=(count, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        gallery.enroll("ann", row_of("1"), CONTRACT)
        names = [f"p{each}" for each in range(count)]
        database = gallery.mirror.database
        database._current().execute("PRAGMA max_page_count=1000")
        with pytest.raises(EmbedgeError, match=r"E-WRITE.*disk is full; nothing was changed"):
            gallery.enroll(names, rows, CONTRACT)
        assert gallery.people() == ["ann"]
        assert check(tmp_path / "g", KEY) == []
        database._current().execute("PRAGMA max_page_count=1000000")
        assert len(set(gallery.enroll(names, rows, CONTRACT))) == count
        assert len(gallery) == count + 1
