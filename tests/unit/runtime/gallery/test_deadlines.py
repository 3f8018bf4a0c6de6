"""A deadline's exception ends a call: whoever keeps it keeps neither the lock nor a transaction."""

import contextlib
import linecache
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.storage import registry, turnstile

DIM = 16
CONTRACT = tiny_contract(DIM)
LATE = 20.0  # seconds: what has to happen
OTHER = """
import sqlite3, sys
for line in sys.stdin:
    connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        print("in", flush=True)
    except sqlite3.OperationalError as error:
        print(error, flush=True)
    connection.close()
"""


class Deadline(Exception):
    pass


class Interruption:
    """At one point of a call, counted in the gallery's own code and in contextlib's.

    `points` are where Python lets a handler in: at a function's begin, or once a call of C has
    ended. `lines` are all of them, but for those where a `with` ends, where it lets none in.
    """

    def __init__(self, place: int) -> None:
        self.left = place

    def counted(self) -> None:
        self.left -= 1
        if self.left < 0:
            sys.setprofile(None)
            sys.settrace(None)
            raise Deadline

    def points(self, frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return") and is_of_interest(frame):
            self.counted()

    def lines(self, frame: FrameType, event: str, _: Any) -> Any:
        if not is_of_interest(frame):
            return None
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with"):
            self.counted()
        return self.lines


def is_of_interest(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name == contextlib.__file__ or "/runtime/gallery/" in name


def interrupted(work: Callable[[], object], place: int, how: str) -> Deadline | None:
    at = Interruption(place)
    start, hook = {"points": (sys.setprofile, at.points), "lines": (sys.settrace, at.lines)}[how]
    before = sys.gettrace()
    start(hook)
    try:
        work()
    except Deadline as deadline:
        return deadline
    finally:
        sys.setprofile(None)
        sys.settrace(before)
    return None


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        gallery.enroll(["ann", "ben"], unit(1, 2), CONTRACT)
        yield gallery


@pytest.fixture
def ask(gallery: Gallery) -> Iterator[Callable[[], str]]:
    """Whether another process gets in."""
    command = [sys.executable, "-c", OTHER, str(gallery.mirror.path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:

        def asked() -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield asked
        process.communicate()


def unit(seed: int, count: int = 1) -> Any:
    return gallery_rows.unit(seed, count, DIM)


def enrol(gallery: Gallery) -> None:
    gallery.enroll("cem", unit(3), CONTRACT)


def read_anew(gallery: Gallery) -> None:
    gallery.mirror._forget()
    gallery.identify(unit(1), CONTRACT)


def export(gallery: Gallery) -> None:
    gallery.export("ann")


def gets_in(gallery: Gallery) -> bool:
    """Whether another thread does."""
    asked = threading.Thread(target=gallery.people, daemon=True)
    asked.start()
    asked.join(LATE)
    return not asked.is_alive()


@pytest.mark.parametrize("how", ["points", "lines"])
@pytest.mark.parametrize("work", [enrol, read_anew, export])
def test_an_exception_that_somebody_keeps_holds_nobody_up(
    gallery: Gallery, ask: Callable[[], str], work: Callable[[Gallery], None], how: str
) -> None:
    for place in count():
        kept = interrupted(lambda: work(gallery), place, how)
        if kept is None:
            break
        assert ask() == "in", place
        assert gets_in(gallery), place
        if work is enrol and "cem" in gallery.people():
            gallery.erase("cem")
    assert place > 50  # it was interrupted somewhere
    assert check(gallery.mirror.path, KEY) == []


@contextlib.contextmanager
def after(seconds: float) -> Iterator[None]:
    def handler(*_: object) -> None:
        raise Deadline

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def another_thread_writes(gallery: Gallery) -> Iterator[None]:
    held, done = threading.Event(), threading.Event()

    def work(connection: Any, _: Seen) -> None:
        connection.execute("INSERT INTO person VALUES (99, zeroblob(9))")
        held.set()
        done.wait(LATE)
        connection.execute("DELETE FROM person WHERE id = 99")

    writer = threading.Thread(target=gallery.mirror.write, args=(work,))
    writer.start()
    assert held.wait(LATE)
    try:
        yield
    finally:
        done.set()
        writer.join(LATE)
        assert not writer.is_alive()


def told(work: Callable[[], object]) -> str:
    try:
        work()
    except EmbedgeError as error:
        return error.code
    return "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_child_whose_fork_would_not_wait_leaves_all_to_the_parent(gallery: Gallery) -> None:
    """Python tells of the exception, and forks nevertheless."""
    path, answers, answer = gallery.mirror.path, *os.pipe()
    with another_thread_writes(gallery):
        with after(0.2):
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(10)
                found = [told(gallery.people), told(lambda: Gallery.open(path, key=KEY))]
                found += [told(gallery.close), told(gallery.people)]
                os.write(answer, " ".join(found).encode())
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(answers, 99) == b"E-GALLERY-FORKED E-GALLERY-FORKED done E-CLOSED"
    gallery.enroll("cem", unit(3), CONTRACT)
    assert gallery.people() == ["ann", "ben", "cem"]
    assert check(path, KEY) == []


def test_a_fork_that_did_not_wait_gives_back_what_it_has_only(gallery: Gallery) -> None:
    registry._before_fork()
    try:
        other = threading.Thread(target=registry._after_fork)  # of a fork that was not let wait
        other.start()
        other.join(LATE)
        assert turnstile.is_mine(registry._FORKING)
        assert gallery.mirror.database.lock.is_mine()
    finally:
        registry._after_fork()
    assert gets_in(gallery)
