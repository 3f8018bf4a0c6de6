"""A lock that takes turns, and that no exception leaves taken by nobody."""

import sys
import threading
import time
from contextlib import ExitStack
from types import FrameType
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.storage import turnstile
from embedge.runtime.gallery.storage.turnstile import Turnstile


class Alarm(Exception):
    pass


def interrupted(lock: Turnstile, at: int) -> bool:
    """Enter and leave; an alarm goes off at that line of the lock's own code, if there is one."""
    left = [at]

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != turnstile.__file__:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                raise Alarm
        return trace

    sys.settrace(trace)
    try:
        with lock:
            pass
    except Alarm:
        return True
    finally:
        sys.settrace(None)
    return False


def is_free(lock: Turnstile, seconds: float = 2.0) -> bool:
    """Whether another thread may have it."""
    entered = threading.Event()

    def ask() -> None:
        with lock:
            entered.set()

    threading.Thread(target=ask, daemon=True).start()
    return entered.wait(seconds)


@pytest.mark.parametrize("at", range(12))
def test_whoever_was_interrupted_while_entering_holds_nothing(at: int) -> None:
    lock = Turnstile()
    if not interrupted(lock, at):
        pytest.skip("the lock's code has fewer lines")
    assert is_free(lock)


def test_a_stack_lets_go_of_it_too() -> None:
    lock = Turnstile()
    with ExitStack() as held:
        held.enter_context(lock)
        assert not is_free(lock, 0.05)
    assert is_free(lock)


def test_whoever_has_it_is_refused_and_keeps_it() -> None:
    lock = Turnstile()
    with lock:
        with pytest.raises(EmbedgeError, match="E-GALLERY-WITHIN"):
            lock.__enter__()
        assert not is_free(lock, 0.05)
    assert is_free(lock)


def test_a_busy_thread_lets_in_whoever_waits() -> None:
    lock, stop, turns = Turnstile(), threading.Event(), [0]

    def busy() -> None:
        while not stop.is_set():
            with lock:
                time.sleep(0.002)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        with lock:
            turns[0] += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert turns[0] >= 20
