"""Whatever happens to the bytes of a gallery, it opens as it was or is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery

DIM = 16
CONTRACT = tiny_contract(DIM)
KEY = bytes(range(32))
REFUSALS = {"E-GALLERY", "E-KEY"}
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
State = tuple[list[str], list[bytes]]


def rows(seed: int, count: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def state_of(path: Path, key: bytes | None) -> State:
    with Gallery.open(path, key=key) as gallery:
        return gallery.people(), [block.matrix.tobytes() for block in gallery._file.blocks()]


@pytest.fixture(scope="module", params=[KEY, None], ids=["encrypted", "plain"])
def whole(request, tmp_path_factory) -> tuple[Path, bytes | None, bytes, State]:
    path = tmp_path_factory.mktemp("fuzz") / "people.gallery"
    key = request.param
    with Gallery.create(path, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number, row in enumerate(rows(0, 4)):
            gallery.enroll(f"p{number}", row, CONTRACT)
    return path, key, path.read_bytes(), state_of(path, key)


def opens_unchanged_or_is_refused(path: Path, key: bytes | None, state: State) -> bool:
    try:
        assert state_of(path, key) == state
    except EmbedgeError as error:
        if error.code not in REFUSALS:
            raise
        return False
    return True


@FUZZ
@given(data=st.data())
def test_flipped_bytes(whole, data):
    path, key, content, state = whole
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(broken)
    opens_unchanged_or_is_refused(path, key, state)


def test_every_byte_of_every_block_counts(whole):
    path, key, content, state = whole
    blocks = content.index(bytes(200)) and len(content) - 900  # the last blocks
    for position in range(blocks, len(content), 11):
        broken = bytearray(content)
        broken[position] ^= 0x10
        path.write_bytes(broken)
        assert not opens_unchanged_or_is_refused(path, key, state)


@FUZZ
@given(length=st.integers(0, 20_000))
def test_truncation(whole, length):
    path, key, content, state = whole
    path.write_bytes(content[: length % len(content)])
    assert not opens_unchanged_or_is_refused(path, key, state)


@FUZZ
@given(tail=st.binary(min_size=1, max_size=300))
def test_an_unfinished_write_at_the_end_is_ignored(whole, tail):
    path, key, content, state = whole
    path.write_bytes(content + tail)
    assert opens_unchanged_or_is_refused(path, key, state)


@FUZZ
@given(content=st.binary(max_size=6000))
def test_rubbish(whole, content):
    path, key, _, state = whole
    path.write_bytes(content)
    assert not opens_unchanged_or_is_refused(path, key, state)


def frame_bounds(content: bytes) -> list[tuple[int, int]]:
    """(start, end) of the frames, whose lengths are plain."""
    header = 20 + int.from_bytes(content[16:20], "little")
    position = header + -header % 4096 + 1024
    bounds = []
    while position < len(content):
        end = position + 4 + int.from_bytes(content[position : position + 4], "little")
        bounds.append((position, end))
        position = end
    return bounds


def test_replayed_swapped_and_foreign_blocks_are_refused(whole, tmp_path):
    path, key, content, state = whole
    bounds = frame_bounds(content)
    (a, b), (c, d) = bounds[1], bounds[2]
    first, second = content[a:b], content[c:d]
    swapped = content[:a] + second + first + content[d:]
    replayed = content[:c] + first + content[d:]
    assert len(swapped) == len(content)
    for broken in (swapped, replayed):
        path.write_bytes(broken)
        assert not opens_unchanged_or_is_refused(path, key, state)
    other = tmp_path / "other.gallery"
    with Gallery.create(other, CONTRACT, key=key, unencrypted=key is None) as gallery:
        for number, row in enumerate(rows(1, 4)):
            gallery.enroll(f"p{number}", row, CONTRACT)
    foreign = other.read_bytes()
    (e, f) = frame_bounds(foreign)[2]
    assert f - e == d - c
    path.write_bytes(content[:c] + foreign[e:f] + content[d:])
    assert not opens_unchanged_or_is_refused(path, key, state)


def test_a_block_of_an_earlier_writing_is_refused(whole):
    """An erased person cannot be put back by pasting the old block."""
    path, key, content, _ = whole
    path.write_bytes(content)
    with Gallery.open(path, key=key, writable=True) as gallery:
        gallery.compact()
        gallery.enroll("late", rows(2, 1)[0], CONTRACT)
    later, state = path.read_bytes(), state_of(path, key)
    start, end = frame_bounds(content)[0]
    path.write_bytes(later + content[start:end])
    assert opens_unchanged_or_is_refused(path, key, state)  # ignored: it opens nowhere here
    (a, b) = frame_bounds(later)[-1]
    path.write_bytes(later[:a] + content[start:end] + later[b:])
    assert not opens_unchanged_or_is_refused(path, key, state)
    path.write_bytes(content)


def test_a_swapped_contract_is_refused(whole):
    path, key, content, state = whole
    other = content.replace(b'"space": "ssss', b'"space": "tsss', 1)
    assert other != content
    path.write_bytes(other)
    assert not opens_unchanged_or_is_refused(path, key, state)
