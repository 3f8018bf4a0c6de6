"""What a signal's handler raises comes out as it is: no damage, no full disk, no broken picture."""

import io
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from gallery_rows import KEY, unit
from PIL import Image
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError, Passing, ours
from embedge.runtime import Gallery
from embedge.runtime.encoders import lengths_of, normalised, unit_rows
from embedge.runtime.gallery.enrolment import checked_rows
from embedge.runtime.picture.images import rgb_from_picture

CONTRACT = tiny_contract(16)


class Raising:
    """A handler, and what it has raised."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind, self.left = kind, 0

    def __call__(self, *_: object) -> None:
        raise self.kind("deadline")

    def at(self, place: int, work: Callable[[], object]) -> bool:
        """Whether the signal comes, at a function's begin or after a call of C, of which it ends
        the work with its own exception and no other."""
        self.left = place

        def profile(_: FrameType, event: str, __: Any) -> None:
            if event in ("call", "c_return"):
                self.left -= 1
                if self.left < 0:
                    sys.setprofile(None)
                    signal.raise_signal(signal.SIGUSR1)

        told = ""
        sys.setprofile(profile)
        try:
            work()
        except self.kind as error:
            told = str(error)
        finally:
            sys.setprofile(None)
        assert told == ("deadline" if self.left < 0 else ""), place
        return self.left < 0

    def at_line(self, place: int, work: Callable[[], object]) -> None:
        """The same before a line, of numpy's own too."""
        self.left, told = place, ""

        def trace(_: FrameType, event: str, __: Any) -> Any:
            if event == "line":
                self.left -= 1
                if self.left == -1:
                    signal.raise_signal(signal.SIGUSR1)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            work()
        except self.kind as error:
            told = str(error)
        finally:
            sys.settrace(before)
        assert told == ("deadline" if self.left < 0 else ""), place


@pytest.fixture(params=[ValueError, TimeoutError])
def handler(request: pytest.FixtureRequest) -> Iterator[Raising]:
    raising = Raising(request.param)
    before = signal.signal(signal.SIGUSR1, raising)
    yield raising
    signal.signal(signal.SIGUSR1, before)


def opens(gallery: Gallery) -> None:
    with Gallery.open(gallery.mirror.path, key=KEY) as other:
        other.people()


def enrols(gallery: Gallery) -> None:
    gallery.enroll("ben", unit(2, dim=16), CONTRACT)


def searches(gallery: Gallery) -> None:
    gallery.identify(unit(2, dim=16), CONTRACT)


@pytest.mark.parametrize("work", [opens, enrols, searches])
def test_of_a_gallery(tmp_path: Path, handler: Raising, work: Callable[..., Any]) -> None:
    for place in count(0, 31):
        path = tmp_path / str(place)
        with Gallery.create(path, CONTRACT, key=KEY) as gallery:
            gallery.enroll("ann", unit(1, dim=16), CONTRACT)
            if not handler.at(place, partial(work, gallery)):
                break
            assert gallery.people()[0] == "ann"
        path.unlink()
    assert place > 30


@pytest.mark.parametrize(
    "work",
    [
        normalised,
        unit_rows,
        lambda rows: checked_rows(rows, CONTRACT, CONTRACT),
    ],
)
def test_of_embeddings(handler: Raising, work: Callable[[np.ndarray], object]) -> None:
    work(unit(1, 3, 16))  # whatever is imported on the way
    for place in count():
        handler.at_line(place, partial(work, unit(1, 3, 16)))
        if handler.left >= 0:
            break
    assert place > 3


def test_a_length_is_numpys_own() -> None:
    exact = np.random.default_rng(0).normal(size=(99, 513))
    rows = exact.astype(np.float32)
    assert lengths_of(rows).tobytes() == np.linalg.norm(rows, axis=1).tobytes()
    assert lengths_of(exact).tobytes() == np.linalg.norm(exact, axis=1).tobytes()


def test_of_a_picture(handler: Raising) -> None:
    coded = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(coded, "BMP")
    for place in count():
        if not handler.at(place, lambda: rgb_from_picture(coded.getvalue())):
            break
    assert place > 30


def test_what_the_library_meets_itself_is_told_as_ever(handler: Raising) -> None:
    with pytest.raises(EmbedgeError, match="E-IMAGE"):
        rgb_from_picture(b"no picture")
    with Passing(ValueError):
        int("x")
    try:
        int("x")
    except ours(ValueError):
        told = True
    assert told
