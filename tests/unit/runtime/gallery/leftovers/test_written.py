"""Text is found in whatever bytes lie around it, over the ends of the parts that are looked at."""

import re

import numpy as np
import pytest

from embedge.runtime.gallery.leftovers import written


@pytest.mark.parametrize("seed", range(40))
def test_runs_are_those_that_a_pattern_finds(seed, monkeypatch):
    dice = np.random.default_rng(seed)
    monkeypatch.setattr(written, "_CHUNK", int(dice.integers(1, 9)))
    data = dice.choice([65, 66, 0, 200], int(dice.integers(0, 60)), p=[0.4, 0.4, 0.1, 0.1])
    text = data.astype(np.uint8).tobytes()
    expected = [match.span() for match in re.finditer(rb"[AB]{3,}", text)]
    assert written._runs(text, written._GRAPHIC, 3) == expected


@pytest.mark.parametrize("size", range(65))
def test_random_bytes_of_any_size_decode_to_something_or_nothing(size):
    data = np.random.default_rng(size).bytes(size)
    assert all(part for _, part, _ in written.decoded(data))
