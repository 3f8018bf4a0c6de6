"""An exception at any point of what takes several locks leaves none of them taken."""

import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from gallery_rows import KEY, unit
from tiny_bundles import tiny_contract

from embedge.runtime import Gallery
from embedge.runtime.gallery.storage import registry
from embedge.runtime.gallery.storage.raw import raw

LATE = 10.0


class Alarm(Exception):
    pass


def interrupted(work: Callable[[], object], place: int) -> bool:
    """As a signal's handler does it: at a function's begin, or once a call of C has ended."""
    left = [place]

    def profile(_: FrameType, event: str, __: Any) -> None:
        if event in ("call", "c_return"):
            left[0] -= 1
            if left[0] < 0:
                sys.setprofile(None)
                raise Alarm

    sys.setprofile(profile)
    try:
        work()
    except Alarm:
        pass
    finally:
        sys.setprofile(None)
    return left[0] < 0


def assert_free(gallery: Gallery, place: int) -> None:
    def ask() -> None:
        gallery.people()
        Gallery.open(gallery.mirror.path, key=KEY).close()

    asked = threading.Thread(target=ask, daemon=True)
    asked.start()
    asked.join(LATE)
    assert not asked.is_alive(), place


def test_whoever_reads_past_sqlite_and_is_interrupted_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "g"
    with Gallery.create(path, tiny_contract(16), key=KEY) as gallery:
        gallery.enroll("ann", unit(1, dim=16), tiny_contract(16))

        def look() -> None:
            with raw(path) as file:
                file.read(0, 1)

        for place in count():
            if not interrupted(look, place):
                break
            assert_free(gallery, place)
            assert gallery.people() == ["ann"]
        assert place > 10


def _before() -> None:
    registry._before_fork()


def _after() -> None:
    registry._after_fork()


@pytest.mark.parametrize("alarm", ["before", "after"])
def test_a_fork_that_was_interrupted_locks_nobody_out(tmp_path: Path, alarm: str) -> None:
    """Python tells of the exception, and goes on with the fork."""
    path = tmp_path / "g"
    with Gallery.create(path, tiny_contract(16), key=KEY) as gallery:
        for place in count():
            if alarm == "before":
                met = interrupted(_before, place)
                _after()
            else:
                _before()
                met = interrupted(_after, place)
                _after()  # it is registered twice
            assert_free(gallery, place)
            if not met:
                break
        assert place > 3
