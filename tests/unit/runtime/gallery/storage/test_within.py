"""A call in the midst of another of the same thread's: refused, and the one under way goes on."""

import gc
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mirror import Seen
from embedge.runtime.gallery.sealed.ledger import Ledger
from embedge.runtime.gallery.sealed.notes import Notes
from embedge.runtime.gallery.storage import database

DIM = 32
unit = partial(gallery_rows.unit, dim=DIM)
CONTRACT = tiny_contract(DIM)
STEPS = [(Ledger, "add"), (Notes, "record"), (Ledger, "put_state")]
CALLS: dict[str, Callable[[Gallery], object]] = {
    "audit": lambda gallery: list(gallery.audit()),
    "export": lambda gallery: gallery.export("ann"),
    "enroll": lambda gallery: gallery.enroll("hal", unit(5), CONTRACT),
    "erase": lambda gallery: gallery.erase("ann"),
    "people": lambda gallery: gallery.people(),
    "compact": lambda gallery: gallery.compact(),
}


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        gallery.enroll(["ann", "ben"], unit(1, 2), CONTRACT)
        yield gallery


def after(
    monkeypatch: pytest.MonkeyPatch, step: tuple[type, str], act: Callable[[], object]
) -> None:
    """Once, when that step of the next writing is done."""
    owner, name = step
    real = getattr(owner, name)

    def stepped(*args: Any, **options: Any) -> Any:
        found = real(*args, **options)
        monkeypatch.setattr(owner, name, real)
        act()
        return found

    monkeypatch.setattr(owner, name, stepped)


@contextmanager
def handling(act: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """What sends this process a signal, whose handler acts."""
    before = signal.signal(signal.SIGUSR1, lambda *_: act())
    try:
        yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def people(path: Path) -> list[str]:
    with Gallery.open(path, key=KEY) as fresh:
        return fresh.people()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_handlers_call_is_refused_and_the_writing_goes_on(
    gallery: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[type, str],
    call: Callable[..., Any],
) -> None:
    told = []

    def handler() -> None:
        with pytest.raises(EmbedgeError) as refused:
            call(gallery)
        told.append(refused.value.code)

    with handling(handler) as send:
        after(monkeypatch, step, send)
        assert len(gallery.enroll("cem", unit(3), CONTRACT)) == 1
    assert told == ["E-GALLERY-WITHIN"]
    assert gallery.people() == people(gallery.mirror.path) == ["ann", "ben", "cem"]


def test_a_handlers_call_leaves_a_search_alone(gallery: Gallery) -> None:
    def work(seen: Seen) -> list[str]:
        with pytest.raises(EmbedgeError, match="E-GALLERY-WITHIN"):
            gallery.renew()
        return seen.index.names

    assert gallery.look(work) == ["ann", "ben"]


def test_what_a_handler_does_not_catch_ends_the_writing(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with handling(gallery.info) as send:
        after(monkeypatch, STEPS[0], send)
        with pytest.raises(EmbedgeError, match="E-GALLERY-WITHIN"):
            gallery.enroll("cem", unit(3), CONTRACT)
    assert gallery.people() == ["ann", "ben"]


def test_a_finalizers_call_is_refused(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    class Session:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            try:
                gallery.info()
            except EmbedgeError as error:
                told.append(error.code)

    Session()
    after(monkeypatch, STEPS[0], gc.collect)
    gallery.enroll("cem", unit(3), CONTRACT)
    assert told == ["E-GALLERY-WITHIN"]
    assert gallery.people() == ["ann", "ben", "cem"]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
def test_closing_waits_for_the_call_that_it_comes_within(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, step: tuple[type, str]
) -> None:
    with handling(gallery.close) as send:
        after(monkeypatch, step, send)
        assert len(gallery.enroll("cem", unit(3), CONTRACT)) == 1
    for call in CALLS.values():
        with pytest.raises(EmbedgeError, match="E-CLOSED"):
            call(gallery)
    assert gallery.mirror.database._connection is None
    assert people(gallery.mirror.path) == ["ann", "ben", "cem"]


def forks(act: Callable[[], object]) -> Callable[[], None]:
    """The child acts, and ends as a child does that something goes wrong in."""

    def fork() -> None:
        child = os.fork()
        if child == 0:
            try:
                act()
            finally:
                gc.collect()
                os._exit(0)
        os.waitpid(child, 0)

    return fork


@pytest.mark.parametrize("how", ["ends", "uses", "closes", "opens"])
def test_a_fork_from_within_leaves_the_transaction_to_the_parent(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = gallery.mirror.path
    told, telling = os.pipe()

    def child() -> None:
        code = b"nothing"
        try:
            acts: dict[str, Callable[[], object]] = {
                "ends": int,
                "uses": gallery.people,
                "closes": gallery.close,
                "opens": lambda: Gallery.open(path, key=KEY),
            }
            acts[how]()
        except EmbedgeError as error:
            code = error.code.encode()
        os.write(telling, code)

    monkeypatch.setattr(database, "PRAGMAS", (*database.PRAGMAS, "cache_size=10"))
    gallery.mirror.database.drop()  # so that pages are in the file before the commit
    with handling(forks(child)) as send:
        after(monkeypatch, STEPS[0], send)
        names = [f"c{number}" for number in range(400)]
        assert len(gallery.enroll(names, unit(9, 400), CONTRACT)) == 400
    expected = {"uses": b"E-GALLERY-WITHIN", "opens": b"E-GALLERY-FORKED"}.get(how, b"nothing")
    assert os.read(told, 64) == expected
    gallery.enroll("later", unit(7), CONTRACT)
    assert people(path) == sorted(["ann", "ben", "later", *names])


def test_the_call_under_way_ends_in_the_child_without_touching_the_file(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forks in a handler, and returns from it in the child."""
    told, telling = os.pipe()
    child = []
    with handling(lambda: child.append(os.fork())) as send:
        after(monkeypatch, STEPS[0], send)
        try:
            gallery.enroll("cem", unit(3), CONTRACT)
            code = b"acknowledged"
        except BaseException as error:
            code = getattr(error, "code", repr(error)).encode()
    if child[0] == 0:
        with pytest.raises(EmbedgeError) as refused:
            gallery.people()
        os.write(telling, b"%s %s" % (code, refused.value.code.encode()))
        os._exit(0)
    os.waitpid(child[0], 0)
    assert os.read(told, 64) == b"E-GALLERY-FORKED E-GALLERY-FORKED"
    assert code == b"acknowledged"
    gallery.enroll("dan", unit(4), CONTRACT)
    assert people(gallery.mirror.path) == ["ann", "ben", "cem", "dan"]


def test_a_call_that_could_not_roll_back_leaves_the_next_a_clean_start(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: object) -> None:
        raise MemoryError

    def no_undoing(_: int, what: str, *__: object) -> int:
        return sqlite3.SQLITE_DENY if what == "ROLLBACK" else sqlite3.SQLITE_OK

    connection = gallery.mirror.database._connection
    connection.set_authorizer(no_undoing)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "put_state", out_of_memory)
        with pytest.raises(EmbedgeError) as told:
            gallery.enroll("cem", unit(3), CONTRACT)
    assert isinstance(told.value.__cause__.__context__, MemoryError)
    assert gallery.mirror.database._connection is None
    other = sqlite3.connect(gallery.mirror.path, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.close()
    gallery.enroll("dan", unit(4), CONTRACT)
    assert gallery.people() == people(gallery.mirror.path) == ["ann", "ben", "dan"]
