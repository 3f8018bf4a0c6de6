"""A thousand hostile galleries, seeded: each is opened or refused, soon and in little memory."""

import json
import random
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import memory_folder
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.sealed.sealing import place, sealed
from embedge.runtime.gallery.storage.carving import carved
from embedge.runtime.gallery.storage.raw import raw

CONTRACT = tiny_contract(16)
KEY = bytes(range(32))
PAGE = 4096
PEOPLE = {"p0", "p1", "p2", "many"}
SECONDS, MEGABYTES = 5.0, 64  # for one of them, and for all of them together


def rows(seed: int, count: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


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


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.mark.parametrize("key", [KEY, None], ids=["encrypted", "plain"])
def test_a_thousand_hostile_galleries(memory: Path, key: bytes | None) -> None:
    path = memory / "g"
    with Gallery.create(path, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number in range(3):
            gallery.enroll(f"p{number}", rows(number, 2), CONTRACT)
        gallery.enroll("many", rows(9, 150), CONTRACT)
    whole, journal = path.read_bytes(), Path(f"{path}-journal")
    before, opened = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for seed in range(1000):
        path.write_bytes(broken(random.Random(seed), whole))
        journal.unlink(missing_ok=True)
        began = time.monotonic()
        try:
            with Gallery.open(path, key=key) as gallery:
                assert set(gallery.people()) == PEOPLE
            opened += 1
        except EmbedgeError as error:
            assert error.code.startswith(("E-GALLERY", "E-KEY")), (seed, error)  # noqa: PT017
        with raw(path) as file:
            assert sum(1 for _ in carved(file)) < len(whole)
        assert time.monotonic() - began < SECONDS, seed
    assert 0 < opened < 500
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEGABYTES * 1024


@pytest.mark.parametrize(
    "change", [{"next_record": "7"}, {"people": 2.0}, {"secret": "\ud800"}, {"next_audit": 2**63}]
)
def test_the_state_of_an_open_gallery_in_another_hand(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "open"
    with Gallery.create(path, CONTRACT, key=None, unencrypted=True) as gallery:
        gallery.enroll(["ann", "ben"], rows(1, 2), CONTRACT)
        ledger, told = gallery.look(lambda seen: (seen.ledger, seen.state.to_bytes()))
    state = json.loads(told)
    forged = json.dumps({**state, **change}).encode()
    with closing(sqlite3.connect(path)) as connection, connection:
        row = sealed(ledger._state, forged, place(ledger._root, "S"))
        connection.execute("UPDATE state SET sealed = ?", (row,))
    with pytest.raises(EmbedgeError, match=r"E-GALLERY: .*its state"):
        Gallery.open(path)
