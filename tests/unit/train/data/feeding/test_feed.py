import os
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from embedge.errors import EmbedgeError
from embedge.train.data.feeding import feed as feeding
from embedge.train.data.feeding.feed import cores, feed


def made_ahead(source: Any, first: int, last: int) -> Iterator[Any]:
    return feed(source, first, last, workers=0, say=print)


class Numbers:
    seed = 0

    def __init__(self, broken_at: int | None = None) -> None:
        self.broken_at = broken_at
        self.made: list[tuple[int, bool]] = []

    def at(self, step: int) -> int:
        if step == self.broken_at:
            raise RuntimeError("a broken picture")
        self.made.append((step, threading.current_thread() is threading.main_thread()))
        return step


@pytest.mark.parametrize(("first", "last"), [(0, 5), (3, 4), (4, 4), (6, 4)])
def test_every_step_once_and_in_order(first: int, last: int) -> None:
    assert list(made_ahead(Numbers(), first, last)) == list(range(first, last))


def test_made_elsewhere_and_at_most_one_early() -> None:
    numbers = Numbers()
    for step in made_ahead(numbers, 0, 9):
        if step == 3:
            break
    assert [step for step, _ in numbers.made] == [0, 1, 2, 3, 4]
    assert not any(in_main for _, in_main in numbers.made)


def test_a_failure_reaches_the_loop_at_its_own_step() -> None:
    stream = made_ahead(Numbers(broken_at=2), 0, 5)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(RuntimeError, match="a broken picture"):
        next(stream)


class Dies:
    """In a worker, as one does for which there is no memory."""

    def at(self, step: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_was_ended_is_told_with_what_to_do() -> None:
    with pytest.raises(EmbedgeError, match=r"E-READER: .*worker .pid.*--shm-size"):
        list(feeding.made_ahead(Dies(), 0, 3, workers=1, rows=1))


class Fails:
    def at(self, step: int) -> NoReturn:
        raise RuntimeError("a fault of ours")


def test_a_fault_of_ours_in_a_reader_is_no_users_mistake() -> None:
    with pytest.raises(RuntimeError, match="a fault of ours"):
        list(feeding.made_ahead(Fails(), 0, 3, workers=1, rows=1))


def test_only_cores_that_the_process_may_use_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7}, raising=False)
    assert cores() == 3
