"""Text is found in whatever bytes lie around it, over the ends of the parts that are looked at."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gallery_rows import unit

from embedge.runtime.gallery.leftovers import written
from embedge.runtime.gallery.storage.traces import traces_of


@pytest.mark.parametrize("seed", range(40))
def test_runs_are_those_that_a_pattern_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(seed)
    monkeypatch.setattr(written, "_CHUNK", int(dice.integers(1, 9)))
    data = dice.choice([65, 66, 0, 200], int(dice.integers(0, 60)), p=[0.4, 0.4, 0.1, 0.1])
    text = data.astype(np.uint8).tobytes()
    expected = [match.span() for match in re.finditer(rb"[AB]{3,}", text)]
    assert written._runs(text, written._GRAPHIC, 3) == expected


@pytest.mark.parametrize("size", range(65))
def test_random_bytes_of_any_size_decode_to_something_or_nothing(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    assert all(part for _, part, _ in written.decoded(data))


@pytest.mark.parametrize(
    "written_as",
    [
        lambda row: "\n".join(f"{at},{value}" for at, value in enumerate(row)),
        lambda row: json.dumps({"ann": {str(at): value for at, value in enumerate(row)}}),
        lambda row: " ".join(f"{at}:{value:.6f}" for at, value in enumerate(row)),
    ],
)
def test_decimal_numbers_are_found_with_another_before_each(written_as: Callable[..., Any]) -> None:
    rows = unit(1, dim=64)
    traces = traces_of(rows, None, [], rounded=False)
    text = written_as(rows[0].astype(float).tolist()).encode()
    assert list(traces.hits("f", [text]))
    other = written_as(unit(2, dim=64)[0].astype(float).tolist()).encode()
    assert not list(traces.hits("f", [other]))
