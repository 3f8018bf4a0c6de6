"""The guard: no more tries than the policy allows, however many come at once."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import NIST_800_63B, Gallery
from embedge.runtime.gallery import attempts
from embedge.runtime.gallery.attempts import AttemptGuard

CONTRACT = tiny_contract(16)
KEY = bytes(range(32))


@pytest.fixture
def gallery(tmp_path) -> Gallery:
    with Gallery.create(tmp_path / "g", CONTRACT, key=KEY) as gallery:
        gallery.enroll(["ann", "ben"], np.eye(2, 16, dtype=np.float32), CONTRACT)
        yield gallery


def passed(guard: AttemptGuard, subject: str) -> bool:
    try:
        guard.begin(subject)
    except EmbedgeError as error:
        if error.code != "E-ATTEMPTS":
            raise
        return False
    return True


def test_waiting_doubles_after_five_failures_and_success_forgives(gallery):
    now = [0.0]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    for _ in range(5):
        guard.begin("ann")
    with pytest.raises(EmbedgeError, match=r"E-ATTEMPTS.*in 30 seconds"):
        guard.begin("ann")
    guard.begin("ben")
    now[0] = 30.0
    guard.begin("ann")
    with pytest.raises(EmbedgeError, match="in 60 seconds"):
        guard.begin("ann")
    now[0] = 90.0
    guard.begin("ann")
    guard.succeeded("ann")
    for _ in range(5):
        assert passed(guard, "ann")
    assert not passed(guard, "ann")


def test_the_wait_has_a_limit_and_a_clock_set_back_makes_it_no_longer(gallery):
    now = [1e9]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    for _ in range(14):
        assert passed(guard, "ann")
        now[0] += 3600
    now[0] -= 3601
    with pytest.raises(EmbedgeError, match=r"in 360\d seconds|in 3600 seconds"):
        guard.begin("ann")
    now[0] = 5.0
    with pytest.raises(EmbedgeError, match="in 3600 seconds"):
        guard.begin("ann")


def test_a_wait_that_began_in_the_future_begins_anew_once(gallery):
    now = [4e9]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    for _ in range(5):
        guard.begin("ann")
    now[0] = 1.7e9
    with pytest.raises(EmbedgeError, match="in 30 seconds"):
        guard.begin("ann")
    now[0] += 10
    with pytest.raises(EmbedgeError, match="in 20 seconds"):
        guard.begin("ann")
    now[0] += 20
    guard.begin("ann")
    assert not passed(guard, "ann")


def test_of_64_tries_at_once_5_pass(gallery):
    guard = AttemptGuard(gallery, NIST_800_63B)
    barrier = threading.Barrier(64)

    def attempt(_: int) -> bool:
        barrier.wait()
        return passed(guard, "ann")

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(attempt, range(64))) == 5


def test_of_64_tries_in_8_processes_5_pass_and_a_restart_forgets_nothing(gallery):
    path = gallery.mirror.path
    reading, writing = os.pipe()
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            _try_in_a_child(path, writing)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    assert sorted(said) == sorted(b"y" * 5 + b"n" * 59)
    with Gallery.open(path, key=KEY, writable=True) as again:
        assert not passed(AttemptGuard(again, NIST_800_63B), "ann")


def _try_in_a_child(path: Path, writing: int) -> None:
    try:
        with Gallery.open(path, key=KEY, writable=True) as gallery:
            guard = AttemptGuard(gallery, NIST_800_63B)
            for _ in range(8):
                os.write(writing, b"y" if passed(guard, "ann") else b"n")
    finally:
        os._exit(0)


def rows_of(gallery: Gallery) -> int:
    with gallery.mirror.reading() as (connection, seen):
        return len(seen.ledger.notes.read(connection, seen.state, "attempt"))


def test_other_names_reset_nobody_and_share_one_count(gallery):
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: 0.0)
    tries = 0
    for turn in range(3):
        tries += sum(passed(guard, "ann") for _ in range(4))
        assert sum(passed(guard, f"flood {turn} {each}") for each in range(40)) <= 5
    assert tries == 5
    assert rows_of(gallery) == 2
    assert passed(guard, "ben")


def test_what_is_remembered_is_bounded_and_what_still_counts_is_kept(gallery, monkeypatch):
    monkeypatch.setattr(attempts, "_MOST", 3)
    hour, now = NIST_800_63B.longest_delay, [0.0]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    people = [f"p{each}" for each in range(3)]
    gallery.enroll(people, np.eye(16, dtype=np.float32)[3:6], CONTRACT)
    for name in (*people, *people[:2]):
        guard.begin(name)
    now[0] = hour - 1
    with pytest.raises(EmbedgeError, match="E-ATTEMPTS: 3 others have failed attempts that still"):
        guard.begin("ann")
    now[0] = hour
    guard.begin("ann")  # in the place of the one who failed once
    with pytest.raises(EmbedgeError, match="E-ATTEMPTS: 3 others"):
        guard.begin("p2")
    guard.begin("p0")
    assert rows_of(gallery) == 3


def test_attempts_are_forgotten_with_the_person(gallery):
    guard = AttemptGuard(gallery, NIST_800_63B)
    for _ in range(5):
        guard.begin("ann")
    gallery.renew()
    assert not passed(guard, "ann")
    gallery.erase("ann")
    assert rows_of(gallery) == 0
    gallery.enroll("ann", np.eye(1, 16, dtype=np.float32), CONTRACT)
    assert passed(guard, "ann")


def test_a_row_that_was_removed_is_noticed(gallery):
    import sqlite3

    guard = AttemptGuard(gallery, NIST_800_63B)
    for _ in range(5):
        guard.begin("ann")
    with sqlite3.connect(gallery.mirror.path) as connection:
        connection.execute("DELETE FROM attempt")
    connection.close()
    with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*attempt"):
        guard.begin("ann")


def test_a_gallery_opened_for_reading_cannot_count(gallery):
    with (
        Gallery.open(gallery.mirror.path, key=KEY) as reader,
        pytest.raises(EmbedgeError, match="E-READ-ONLY"),
    ):
        AttemptGuard(reader, NIST_800_63B).begin("ann")


@pytest.mark.parametrize("reading", [float("nan"), float("inf"), -float("inf"), 10**400, None, "1"])
def test_a_clock_that_gives_no_time_lets_nobody_through(gallery, reading):
    assert not passed(AttemptGuard(gallery, NIST_800_63B, clock=lambda: reading), "ann")


def test_a_note_of_such_a_clock_blocks_until_the_next_wait_is_over(gallery, monkeypatch):
    now = [float("nan")]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    monkeypatch.setattr(AttemptGuard, "_now", lambda self: self.clock())
    for _ in range(5):
        guard.begin("ann")
    now[0] = 1000.0
    assert not passed(guard, "ann")
    now[0] = 1000.0 + NIST_800_63B.delay
    assert passed(guard, "ann")
