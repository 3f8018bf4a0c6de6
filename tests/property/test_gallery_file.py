"""Whatever happens to the bytes of a gallery, it opens as it was or is refused by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_memory import memory_folder
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import recover

DIM = 16
CONTRACT = tiny_contract(DIM)
KEY = bytes(range(32))
REFUSALS = {"E-GALLERY", "E-GALLERY-FORMAT", "E-GALLERY-MISSING", "E-GALLERY-IO", "E-KEY"}
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
State = tuple[list[str], list[bytes]]


class Whole(NamedTuple):
    """Its repr is short: hypothesis prints it."""

    path: Path
    key: bytes | None
    content: bytes
    state: State

    def __repr__(self) -> str:
        return f"Whole({self.path.name})"


def rows(seed: int, count: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def state_of(path: Path, key: bytes | None) -> State:
    with Gallery.open(path, key=key) as gallery:
        parts = gallery.mirror.read(lambda file, seen: list(seen.ledger.parts(file)))
        return gallery.people(), [part.matrix.tobytes() for part in parts]


@pytest.fixture(scope="module", params=[KEY, None], ids=["encrypted", "plain"])
def whole(request: pytest.FixtureRequest) -> Iterator[Whole]:
    with memory_folder() as folder:
        yield made(folder / "people.gallery", request.param)


def made(path: Path, key: bytes | None) -> Whole:
    with Gallery.create(path, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number, row in enumerate(rows(0, 4)):
            gallery.enroll(f"p{number}", row, CONTRACT)
        gallery.enroll("many", rows(1, 100), CONTRACT)
        gallery.erase("p0")
    return Whole(path, key, path.read_bytes(), state_of(path, key))


def opens_unchanged_or_is_refused(whole: Whole, content: bytes | bytearray) -> bool:
    path, key, _, state = whole
    path.write_bytes(content)
    Path(f"{path}-journal").unlink(missing_ok=True)
    try:
        assert state_of(path, key) == state
    except EmbedgeError as error:
        if error.code not in REFUSALS:
            raise
        return False
    return True


@FUZZ
@given(data=st.data())
def test_flipped_bytes(whole: Whole, data: st.DataObject) -> None:
    broken = bytearray(whole[2])
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    opens_unchanged_or_is_refused(whole, broken)


def test_every_byte_of_every_sealed_row_counts(whole: Whole) -> None:
    content = whole[2]
    import sqlite3

    whole[0].write_bytes(content)
    connection = sqlite3.connect(whole[0])
    sealed = [
        row
        for table in ("state", "person", "record")
        for (row,) in connection.execute(f"SELECT sealed FROM {table}")
    ]
    connection.close()
    tried = 0
    for row in sealed:
        at = content.find(row)
        if at < 0:
            continue  # it goes on in a page of its own
        for position in range(at, at + len(row), 13):
            broken = bytearray(content)
            broken[position] ^= 0x10
            assert not opens_unchanged_or_is_refused(whole, broken)
            tried += 1
    assert tried > 40


@FUZZ
@given(length=st.integers(0, 60_000))
def test_truncation(whole: Whole, length: int) -> None:
    content = whole[2]
    assert not opens_unchanged_or_is_refused(whole, content[: length % len(content)])


@FUZZ
@given(tail=st.binary(max_size=9000))
def test_what_is_behind_the_end_is_ignored(whole: Whole, tail: bytes) -> None:
    assert opens_unchanged_or_is_refused(whole, whole[2] + tail)


@FUZZ
@given(content=st.binary(max_size=6000), like_sqlite=st.booleans())
def test_rubbish(whole: Whole, content: bytes, like_sqlite: bool) -> None:
    start = whole[2][:100] if like_sqlite else b""
    assert not opens_unchanged_or_is_refused(whole, start + content)


@FUZZ
@given(one=st.integers(0, 20), other=st.integers(0, 20))
def test_swapped_and_repeated_pages(whole: Whole, one: int, other: int) -> None:
    content = whole[2]
    pages = len(content) // 4096
    one, other = one % pages, other % pages
    first = content[one * 4096 : (one + 1) * 4096]
    broken = content[: other * 4096] + first + content[(other + 1) * 4096 :]
    opens_unchanged_or_is_refused(whole, broken)


@FUZZ
@given(data=st.data())
def test_whatever_is_recovered_of_flipped_bytes_is_true(whole: Whole, data: st.DataObject) -> None:
    path, key, content, _ = whole
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 30))):
        broken[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(broken)
    target = path.with_name("saved")
    target.unlink(missing_ok=True)
    try:
        recover(path, target, key)
    except EmbedgeError as error:
        if error.code not in {"E-GALLERY", "E-KEY"}:
            raise
        return
    with Gallery.open(target, key=key) as gallery:
        assert set(gallery.people()) <= {"p1", "p2", "p3", "many"}
        for number in (1, 2, 3):
            if f"p{number}" in gallery.people():
                ((best, *_),) = gallery.identify(rows(0, 4)[number], CONTRACT, count=1)
                assert (best.person, round(best.cosine, 4)) == (f"p{number}", 1.0)
