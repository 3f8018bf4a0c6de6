"""Ctrl-C, or the exception of an alarm, at any line: memory is what the file is, or read anew."""

import linecache
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import gallery_rows
import pytest
from gallery_rows import KEY
from tiny_bundles import tiny_contract
from two_galleries import NEW, OLD, bridge, rows

from embedge.runtime import Gallery, Policy
from embedge.runtime.gallery.attempts import AttemptGuard
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.migration.going import forget, go_back, migrate

DIM = 16
CONTRACT = tiny_contract(DIM)
NEW_KEY = bytes(range(1, 33))
POLICY = Policy("test", 0.1, 0.1, 10**6, 1.0, 1.0)
unit = partial(gallery_rows.unit, dim=DIM)
FILES = ("gallery/mirror.py", "storage/database.py", "migration/rewriting.py")
ELSEWHERE = ("_patiently", "_really_connect", "_is_whole", "_identity", "close")  # no state there


def interrupted(work: Callable[[], object], place: int) -> bool:
    """Whether the work has a line of these files at this place; there it is interrupted.

    Not where a `with` ends: there Python itself would keep a lock for ever.
    """
    left = place

    def line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with"):
            left -= 1
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return line

    def called(frame: FrameType, _: str, __: Any) -> Any:
        code = frame.f_code
        return line if code.co_filename.endswith(FILES) and code.co_name not in ELSEWHERE else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def written(path: Path) -> tuple[bytes, list[str]]:
    """The key that opens the file, and who is in it."""
    for key in (KEY, NEW_KEY):
        with suppress(Exception), Gallery.open(path, key=key) as gallery:
            return key, gallery.people()
    raise AssertionError("neither key opens it")


def enrol(gallery: Gallery) -> None:
    gallery.enroll(["ann", "cem"], unit(5, 2), CONTRACT)


def erase(gallery: Gallery) -> None:
    gallery.erase("ann")


def try_once(gallery: Gallery) -> None:
    guard = AttemptGuard(gallery, POLICY)
    guard.begin("ben")
    guard.succeeded("ben")


def renew(gallery: Gallery) -> None:
    gallery.renew(NEW_KEY)


@pytest.mark.parametrize("work", [enrol, erase, try_once, renew])
def test_an_interrupted_call_leaves_memory_and_file_alike(
    tmp_path: Path, work: Callable[..., Any]
) -> None:
    for place in count():
        path = tmp_path / str(place)
        with Gallery.create(path, CONTRACT, key=KEY) as first:
            first.enroll(["ann", "ben"], unit(1, 2), CONTRACT)
        with Gallery.open(path, key=KEY, writable=True) as gallery:
            with Gallery.open(path, key=KEY, writable=True) as other:  # something to read anew
                other.enroll("dan", unit(9), CONTRACT)
            if not interrupted(partial(work, gallery), place):
                break
            key, people = written(path)
            assert gallery.people() == people, place
            gallery.enroll("eve", unit(7), CONTRACT)
            assert gallery.people() == sorted([*people, "eve"])
            assert check(path, key) == [], place
    assert place > 20  # it was interrupted somewhere


def test_an_interrupted_migration_goes_on(tmp_path: Path) -> None:
    for place in range(0, 10**6, 13):
        path = tmp_path / str(place)
        with Gallery.create(path, OLD, key=KEY) as gallery:
            gallery.enroll(["ann", "ben"], rows(1, 2), OLD)

            def there_and_back(gallery: Gallery = gallery) -> None:
                migrate(gallery, bridge(), NEW, records=1)
                go_back(gallery)
                forget(gallery, new=True)

            if not interrupted(there_and_back, place):
                break
            with Gallery.open(path, key=KEY) as fresh:
                assert gallery.crossing() == fresh.crossing(), place
                assert gallery.contract == fresh.contract, place
            gallery.erase("ben")
            assert check(path, KEY) == [], place
    assert place > 20
