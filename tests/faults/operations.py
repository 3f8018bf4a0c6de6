"""What is done to a gallery under `faults.c`, and who is in it before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from two_galleries import NEW, OLD, bridge, rows
from two_galleries import carried as in_new_space

from embedge.errors import EmbedgeError
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.migration.going import forget, go_back, migrate

CONTRACT = OLD
KEY, NEW_KEY = bytes(range(32)), bytes(32)
State = dict[str, int]  # templates of each person
Gone = Callable[[Gallery], None]  # what is done with an open gallery whose call was refused

PEOPLE = {"ann": rows(1, 2), "ben": rows(2, 1), "cem": rows(3, 8), "dan": rows(4, 3)}
LATER = {"eve": rows(7, 1), "fay": rows(8, 1)}  # by whoever opens it afterwards, or goes on
MORE = rows(5, 1)
BASE: State = {"ann": 2, "ben": 1, "cem": 8}
GROWN: State = {"ann": 3, "ben": 1, "cem": 8, "dan": 3}


def create(path: Path, _: Gone) -> None:
    Gallery.create(path, CONTRACT, key=KEY).close()


def enrol(gallery: Gallery) -> None:
    names = ["dan"] * 3 + ["ann"]
    gallery.enroll(names, np.concatenate([PEOPLE["dan"], MORE]), CONTRACT)


def carry(gallery: Gallery) -> None:
    """In three steps, each a transaction of its own."""
    migrate(gallery, bridge(), NEW, records=1)


def carried(path: Path) -> None:
    """Where the last two begin."""
    with Gallery.open(path, key=KEY, writable=True) as gallery:
        migrate(gallery, bridge(), NEW)


def checked(path: Path, _: Gone) -> None:
    found = check(path, KEY)
    assert not found, f"a false alarm: {found}"


def in_an_open_one(call: Callable[[Gallery], object]) -> Callable[[Path, Gone], None]:
    def run(path: Path, refused: Gone) -> None:
        with Gallery.open(path, key=KEY, writable=True) as gallery:
            try:
                call(gallery)
            except EmbedgeError:
                refused(gallery)
                raise

    return run


def add(gallery: Gallery, name: str) -> None:
    """The gallery takes new people, and finds them."""
    row = in_space(gallery, LATER[name])
    gallery.enroll(name, row, gallery.contract)
    assert gallery.identify(row, gallery.contract)[0][0].person == name


def in_space(gallery: Gallery, templates: np.ndarray) -> np.ndarray:
    return in_new_space(templates) if gallery.contract.space == NEW.space else templates


@dataclass(frozen=True)
class Operation:
    run: Callable[[Path, Gone], None]
    before: State | None
    after: State
    erased: tuple[str, ...] = ()  # of whom nothing may be left in any file
    prepare: Callable[[Path], None] = lambda _: None
    spaces: tuple[str, str] = (OLD.space, OLD.space)  # searched before, and after
    again: bool = False  # an interrupted one goes on where it was


_without_cem, _everybody = {"ann": 2, "ben": 1}, tuple(BASE)
_erase = in_an_open_one(lambda gallery: gallery.erase("cem"))
_renew = in_an_open_one(lambda gallery: gallery.renew(NEW_KEY))
_back, _stay = in_an_open_one(go_back), in_an_open_one(forget)
OPERATIONS = {
    "create": Operation(create, None, {}),
    "enrol": Operation(in_an_open_one(enrol), BASE, GROWN),
    "erase": Operation(_erase, BASE, _without_cem, ("cem",)),
    "renew": Operation(_renew, BASE, BASE, _everybody),
    "compact": Operation(in_an_open_one(Gallery.compact), BASE, BASE),
    "check": Operation(checked, BASE, BASE),
    "migrate": Operation(
        in_an_open_one(carry), BASE, BASE, spaces=(OLD.space, NEW.space), again=True
    ),
    "go back": Operation(_back, BASE, BASE, (), carried, (NEW.space, OLD.space)),
    "forget": Operation(_stay, BASE, BASE, _everybody, carried, (NEW.space, NEW.space)),
}
