"""The guard: no more tries than the policy allows, however many come at once."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

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
def gallery(tmp_path: Path) -> Iterator[Gallery]:
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


def test_waiting_doubles_after_five_failures_and_success_forgives(gallery: Gallery) -> None:
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


def test_the_wait_has_a_limit_and_a_clock_set_back_makes_it_no_longer(gallery: Gallery) -> None:
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


def test_a_wait_that_began_in_the_future_begins_anew_once(gallery: Gallery) -> None:
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


def test_of_64_tries_at_once_5_pass(gallery: Gallery) -> None:
    guard = AttemptGuard(gallery, NIST_800_63B)
    barrier = threading.Barrier(64)

    def attempt(_: int) -> bool:
        barrier.wait()
        return passed(guard, "ann")

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(attempt, range(64))) == 5


def test_of_64_tries_in_8_processes_5_pass_and_a_restart_forgets_nothing(gallery: Gallery) -> None:
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


def notes_of(gallery: Gallery) -> dict[int, Any]:
    return gallery.mirror.read(
        lambda file, seen: seen.ledger.notes.read(file, seen.state, "attempt")
    )


def rows_of(gallery: Gallery) -> int:
    return len(notes_of(gallery))


def test_no_answer_tells_who_is_enrolled(gallery: Gallery) -> None:
    """Whatever is asked before: the names of people get the answers that invented ones get."""
    now = [1000.0]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])

    def told(name: str) -> str:
        try:
            guard.begin(name)
        except EmbedgeError as error:
            return str(error)
        return "passed"

    for number in range(6):
        guard.begin(f"invented {number}")
    for step in (0.0, 10.0, 30.0, 0.0, 3600.0, 90_000.0, 7.0):
        now[0] += step
        answers = {name: [told(name) for _ in range(4)] for name in ("ann", "zoe", "ben", "carl")}
        assert len({tuple(answer) for answer in answers.values()}) == 1, answers
    for name in ("ann", "zoe"):
        guard.succeeded(name)
    assert [told("ann") for _ in range(6)] == [told("zoe") for _ in range(6)]
    spelled = "no\u200del"
    gallery.enroll("noel", np.eye(16, dtype=np.float32)[3:4], CONTRACT)
    for bare, joined in (("noel", spelled), ("mael", "ma\u200del")):
        assert sum(passed(guard, each) for each in (bare, joined) * 4) == 5


def test_other_names_reset_and_lock_nobody(gallery: Gallery) -> None:
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: 0.0)
    tries = 0
    for turn in range(3):
        tries += sum(passed(guard, "ann") for _ in range(4))
        assert all(passed(guard, f"flood {turn} {each}") for each in range(40))
    assert tries == 5
    assert sum(passed(guard, "ben") for _ in range(6)) == 5


def test_what_all_names_fail_together_is_limited_alike(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 12 + 3600)  # so that one a second runs off
    now = [0.0]
    guard = AttemptGuard(gallery, replace(NIST_800_63B, together=12), clock=lambda: now[0])
    assert sum(passed(guard, f"flood {each}") for each in range(40)) == 12
    for name in ("ann", "zoe"):
        with pytest.raises(EmbedgeError, match=r"names.* 12 times: one in 1 sec.* in 1 sec"):
            guard.begin(name)
    now[0] = 1.0
    assert passed(guard, "ann")
    assert not passed(guard, "ben")
    guard.succeeded("ann")  # what succeeds counts for nobody
    assert passed(guard, "ben")


@pytest.mark.parametrize("ahead", [60.0, 86_400.0, 1e9])
def test_a_clock_that_was_ahead_locks_nobody_until_its_time_comes(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 12 + 3600)
    now = [1e9 + ahead]
    guard = AttemptGuard(gallery, replace(NIST_800_63B, together=12), clock=lambda: now[0])
    assert sum(passed(guard, f"flood {each}") for each in range(13)) == 12
    now[0] = 1e9
    assert not passed(guard, "ann")
    now[0] += 1
    assert passed(guard, "ann")
    assert not passed(guard, "ben")


@pytest.mark.parametrize("apart", [0.5, 29.0, 55.0, 61.0, 4000.0, 90_000.0, 1e9])
@pytest.mark.parametrize("turns", ["one after the other", "each for a while"])
def test_two_doors_let_no_more_through_than_one(gallery: Gallery, apart: float, turns: str) -> None:
    """Their clocks apart by less and by more than the longest delay; or one that is set to and fro.

    Five, then one a longest delay at most, however often and by whichever clock is asked.
    """
    longest, now = 60.0, 1e9
    policy = replace(NIST_800_63B, longest_delay=longest)
    slow = AttemptGuard(gallery, policy, clock=lambda: now)
    fast = AttemptGuard(gallery, policy, clock=lambda: now + apart)
    tries: list[float] = []
    for second in range(0, 600, 5):
        now += 5
        first = second // (5 if turns == "one after the other" else 150) % 2
        tries += [now for guard in (slow, fast)[:: 1 if first else -1] if passed(guard, "ann")]
        if second == 0:
            tries += [now for _ in range(40) for guard in (slow, fast) if passed(guard, "ann")]
    assert len([each for each in tries if each <= 1e9 + 5]) == 5
    assert len(tries) <= 5 + 2 + (now - 1e9) / longest  # the first two waits are shorter
    assert len(tries) >= 5 + 5  # and whoever waits gets through


@pytest.mark.parametrize("ahead", [1.0, 59.0, 61.0, 100_000.0])
@pytest.mark.parametrize("failures", [5, 6, 12])
def test_a_clock_that_was_ahead_makes_nobody_wait_for_long(
    gallery: Gallery, ahead: float, failures: int
) -> None:
    """No longer than the longest delay; where it was ahead by less, by that more: then the times
    that both clocks give cannot be told apart."""
    longest, now = 60.0, [1e9 + ahead]
    policy = replace(NIST_800_63B, longest_delay=longest)
    guard = AttemptGuard(gallery, policy, clock=lambda: now[0])
    for _ in range(failures):
        assert passed(guard, "ann")
        now[0] += longest if _ > 3 else 0
    now[0] -= longest + ahead
    begun = now[0]
    while not passed(guard, "ann"):
        now[0] += 5
    assert begun < now[0] <= begun + longest + (5 + ahead if ahead < longest else 0)
    assert not passed(guard, "ann")


def test_a_clock_that_is_set_to_and_fro_opens_nothing(gallery: Gallery) -> None:
    """By more than the longest delay, as by somebody who forges the time."""
    now = [1e9]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    tries = 0
    for turn in range(200):
        now[0] += 4000 if turn % 2 else -4000
        tries += passed(guard, "ann")
    assert tries == 5


def test_clocks_that_disagree_are_noted_up_to_a_bound(gallery: Gallery) -> None:
    now = [1e9]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    for _ in range(5):
        guard.begin("ann")
    for _ in range(20):
        now[0] -= 4000
        assert not passed(guard, "ann")
    assert max(map(len, notes_of(gallery).values())) == 1 + attempts._CLOCKS


def test_clocks_that_differ_a_little_let_no_more_through(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 12 + 60)  # one in a minute
    now = [1e9]
    guard = AttemptGuard(gallery, replace(NIST_800_63B, together=12), clock=lambda: now[0])
    tried = 0
    for turn in range(60):
        now[0] = 1e9 + 30 * (turn % 2)
        tried += passed(guard, f"flood {turn}")
    assert tried == 13  # half a minute has passed, however often it is looked at


def test_a_table_full_of_what_a_clock_wrote_ahead_is_let_go_of(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 3)
    now = [2e9]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    assert all(passed(guard, f"p{each}") for each in range(3))
    now[0] = 1e9
    assert not passed(guard, "ann")
    now[0] += NIST_800_63B.longest_delay
    assert passed(guard, "ann")


def test_what_is_remembered_is_bounded_and_what_still_counts_is_kept(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_MOST", 3)
    hour, now = NIST_800_63B.longest_delay, [0.0]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    people = [f"p{each}" for each in range(3)]
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
    assert rows_of(gallery) == 3 + 1  # and the count of all


def test_attempts_outlive_the_person_until_their_time_is_over(gallery: Gallery) -> None:
    """Else whoever may enrol gets five more guesses; the row says nothing of whose it was."""
    now = [1000.0]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    for _ in range(5):
        guard.begin("ann")
    gallery.renew()
    assert not passed(guard, "ann")
    gallery.erase("ann")
    assert not passed(guard, "ann")
    gallery.enroll("ann", np.eye(1, 16, dtype=np.float32), CONTRACT)
    assert not passed(guard, "ann")
    assert "ann" not in str(notes_of(gallery))
    gallery.erase("ann")
    now[0] += 5 * 86_400 + 1
    guard.begin("ben")
    assert rows_of(gallery) == 2  # ben's and the count of all


@pytest.mark.parametrize("policy", [None, "nist-800-63b", 5])
def test_a_guard_without_a_policy_is_refused_when_it_is_made(gallery: Gallery, policy: Any) -> None:
    with pytest.raises(EmbedgeError, match="E-OPTION: the policy of a guard cannot be"):
        AttemptGuard(gallery, policy)


def test_a_row_that_was_removed_is_noticed(gallery: Gallery) -> None:
    import sqlite3

    guard = AttemptGuard(gallery, NIST_800_63B)
    for _ in range(5):
        guard.begin("ann")
    with sqlite3.connect(gallery.mirror.path) as connection:
        connection.execute("DELETE FROM attempt")
    connection.close()
    with pytest.raises(EmbedgeError, match=r"E-GALLERY:.*attempt"):
        guard.begin("ann")


def test_a_gallery_opened_for_reading_cannot_count(gallery: Gallery) -> None:
    with (
        Gallery.open(gallery.mirror.path, key=KEY) as reader,
        pytest.raises(EmbedgeError, match="E-READ-ONLY"),
    ):
        AttemptGuard(reader, NIST_800_63B).begin("ann")


@pytest.mark.parametrize("reading", [float("nan"), float("inf"), -float("inf"), 10**400, None, "1"])
def test_a_clock_that_gives_no_time_lets_nobody_through(gallery: Gallery, reading: Any) -> None:
    assert not passed(AttemptGuard(gallery, NIST_800_63B, clock=lambda: reading), "ann")


def test_a_note_of_such_a_clock_blocks_until_the_next_wait_is_over(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [float("nan")]
    guard = AttemptGuard(gallery, NIST_800_63B, clock=lambda: now[0])
    monkeypatch.setattr(AttemptGuard, "_now", lambda self: self.clock())
    for _ in range(5):
        guard.begin("ann")
    now[0] = 1000.0
    assert not passed(guard, "ann")
    now[0] = 1000.0 + NIST_800_63B.delay
    assert passed(guard, "ann")
