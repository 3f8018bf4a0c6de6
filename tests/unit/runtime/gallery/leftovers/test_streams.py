"""A stream is found where it begins and ends where it does; other bytes are no broken one."""

import gzip
import lzma
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from embedge.runtime.gallery.leftovers.budget import Effort, Spent
from embedge.runtime.gallery.leftovers.streams import streams

KINDS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "xz": partial(lzma.compress, preset=0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 1, 4096, (1 << 20) - 1, 1 << 20, (3 << 20) + 7])
@pytest.mark.parametrize("before", [0, 5])
def test_each_stream_is_found_whole(kind: str, size: int, before: int) -> None:
    data = np.random.default_rng(size).integers(0, 9, size, np.uint8).tobytes()
    packed = KINDS[kind](data)
    whole = bytes(before) + packed + b"between" + packed
    found = list(streams(whole, Effort(), zipped=False))
    assert [each.data for each in found] == ([data, data] if data else [])
    assert not any(each.broken for each in found)
    assert [each.end for each in found][:1] == ([before + len(packed)] if data else [])


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_are_no_broken_stream(seed: int) -> None:
    data = b"\x89PNG" + np.random.default_rng(seed).bytes(1 << 20)
    assert not [each for each in streams(data, Effort(), zipped=False) if each.broken]


def test_what_begins_a_thousand_times_and_breaks_off_ends_with_the_time() -> None:
    half = zlib.compress(np.random.default_rng(0).bytes(9000))[:5000]
    with pytest.raises(Spent):
        list(streams(half * 1000, Effort(until=0.0), zipped=False))
