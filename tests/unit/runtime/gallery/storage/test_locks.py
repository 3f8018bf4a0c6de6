"""Closing any descriptor of a file drops this process's locks on it: nothing of ours does."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gallery_rows
import pytest
from gallery_rows import KEY, ann_and_ben, is_locked
from tiny_bundles import tiny_contract

from embedge.runtime import Gallery
from embedge.runtime.gallery import mending
from embedge.runtime.gallery.storage.registry import beginning_of, when_quiet_at
from embedge.runtime.gallery.storage.traces import Traces

CONTRACT = tiny_contract(16)
unit = partial(gallery_rows.unit, dim=16)
SOON, LATE = 0.3, 20.0  # seconds: what would have happened by now; what has to happen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ann_and_ben(tmp_path / "people.gallery", CONTRACT)


@contextmanager
def in_a_thread(work: Callable[[], object]) -> Iterator[threading.Event]:
    """The event comes with its end."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(work)
        job.add_done_callback(lambda _: done.set())
        yield done
    job.result()


@pytest.mark.parametrize("linked", [False, True])
def test_a_proof_takes_no_lock_of_a_gallery_that_is_opened_meanwhile(
    path: Path, tmp_path: Path, linked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, opened, real = threading.Event(), threading.Event(), Traces.hits

    def hits(traces: Traces, *file: Any) -> object:
        reading.set()
        opened.wait(LATE)
        return real(traces, *file)

    monkeypatch.setattr(Traces, "hits", hits)
    name = path
    if linked:
        (tmp_path / "elsewhere").mkdir()
        (name := tmp_path / "elsewhere" / "link").symlink_to(path)
    with Gallery.open(path, key=KEY, writable=True) as eraser:
        proofs = []
        with in_a_thread(lambda: proofs.append(eraser.erase("ann", prove=True))) as done:
            assert reading.wait(LATE)
            with Gallery.open(name, key=KEY, writable=True) as writer:

                def held(*_: object) -> None:
                    opened.set()
                    done.wait(SOON)
                    assert is_locked(path)

                writer.mirror.write(held)
                writer.enroll("cem", unit(3), CONTRACT)
        assert proofs[0].proven
        assert eraser.people() == ["ben", "cem"]


def test_who_searches_is_not_held_off_by_a_proof(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, found, real = threading.Event(), threading.Event(), Traces.hits

    def hits(traces: Traces, *file: Any) -> object:
        reading.set()
        assert found.wait(LATE)
        return real(traces, *file)

    monkeypatch.setattr(Traces, "hits", hits)
    with (
        Gallery.open(path, key=KEY, writable=True) as gallery,
        in_a_thread(lambda: gallery.erase("ann", prove=True)),
    ):
        assert reading.wait(LATE)
        assert gallery.identify(unit(1, 2), CONTRACT)
        found.set()


def test_a_recovery_takes_no_lock_of_a_gallery_that_is_opened_meanwhile(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, held, real = threading.Event(), threading.Event(), mending.journal.require_own

    def slowly(*its: Any) -> None:
        real(*its)
        if its[1] == path:
            begun.set()
            held.wait(SOON)

    monkeypatch.setattr(mending.journal, "require_own", slowly)
    with in_a_thread(lambda: mending.recover(path, tmp_path / "new", KEY)) as done:
        assert begun.wait(LATE)

        def write(*_: object) -> None:
            held.set()
            done.wait(SOON)
            assert is_locked(path)

        with Gallery.open(path, key=KEY, writable=True) as writer:
            writer.mirror.write(write)


def test_a_child_waits_for_nobody_who_stayed_behind(path: Path) -> None:
    """Of all threads only the one that forks is in the child."""
    quiet, forked = threading.Event(), threading.Event()

    def hold() -> None:
        def wait() -> None:
            quiet.set()
            forked.wait(LATE)

        when_quiet_at(path, wait)

    with in_a_thread(hold):
        assert quiet.wait(LATE)
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            with Gallery.open(path, key=KEY) as gallery:
                os._exit(0 if gallery.people() == ["ann", "ben"] else 1)
        forked.set()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_was_looked_into_past_the_database_is_closed_with_the_last_who_has_it_open(
    path: Path,
) -> None:
    def open_files() -> int:
        places = list(Path("/proc/self/fd").iterdir())
        return sum(place.exists() and place.samefile(path) for place in places)

    with Gallery.open(path, key=KEY, writable=True) as writer:
        with Gallery.open(path, key=KEY) as reader:

            def write(*_: object) -> None:
                for _each in range(3):
                    assert beginning_of(path, 6) == b"SQLite"
                reader.close()
                assert is_locked(path)

            writer.mirror.write(write)
        assert open_files() == 2
    assert open_files() == 0
