"""A thousand hostile galleries, seeded, in a process of its own that is measured.

`python hostile_galleries.py encrypted|plain FOLDER` prints what `hostile.measured` finds.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from gallery_rows import unit
from hostile import COUNT, Attempt, measured
from tiny_bundles import tiny_contract

from embedge.runtime import Gallery
from embedge.runtime.gallery.storage.carving import carved
from embedge.runtime.gallery.storage.raw import raw

CONTRACT = tiny_contract(16)
KEYS = {"encrypted": bytes(range(32)), "plain": None}
PAGE = 4096
PEOPLE = {"p0", "p1", "p2", "many"}
SECONDS = 5.0  # for one of them


def broken(dice: random.Random, whole: bytes) -> bytes:
    """Numbers that count or point are made wild ones, pages are mixed up, the end is cut off."""
    data = bytearray(whole)
    for _ in range(dice.randint(1, 6)):
        page = dice.randrange(len(data) // PAGE) * PAGE
        match dice.randrange(6):
            case 0:  # a page's head, or the file's
                data[page + dice.randrange(112)] = dice.choice([0, 1, 2, 5, 10, 13, 127, 255])
            case 1:  # the pointers to cells, and the lengths at their start
                data[page + dice.randrange(PAGE)] = dice.choice([0x80, 0xFF, dice.randrange(256)])
            case 2:
                other = dice.randrange(len(data) // PAGE) * PAGE
                data[page : page + PAGE] = data[other : other + PAGE]
            case 3:
                data[page : page + PAGE] = dice.randbytes(PAGE)
            case 4:
                data[page + 8 : page + 40] = b"\xff" * 32
            case 5:
                data = data[: max(PAGE, dice.randrange(len(data)))] + bytes(-len(data) % PAGE)
        data += bytes(-len(data) % PAGE)
    return bytes(data)


def galleries(path: Path, key: bytes | None) -> Iterator[Attempt]:
    with Gallery.create(path, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number in range(3):
            gallery.enroll(f"p{number}", unit(number, 2, 16), CONTRACT)
        gallery.enroll("many", unit(9, 150, 16), CONTRACT)
    whole, journal = path.read_bytes(), Path(f"{path}-journal")

    def attempt(seed: int) -> None:
        path.write_bytes(broken(random.Random(seed), whole))
        journal.unlink(missing_ok=True)
        began = time.monotonic()
        try:
            with Gallery.open(path, key=key) as gallery:
                assert set(gallery.people()) == PEOPLE
        finally:
            with raw(path) as file:
                assert sum(1 for _ in carved(file)) < len(whole)
            assert time.monotonic() - began < SECONDS, seed

    for seed in range(COUNT):
        yield partial(attempt, seed)


if __name__ == "__main__":
    print(json.dumps(measured(galleries(Path(sys.argv[2]) / "g", KEYS[sys.argv[1]]))))
