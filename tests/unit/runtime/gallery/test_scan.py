"""The scan: whatever the order and size of what is appended, the scores are those of the rows."""

import numpy as np
import pytest

from embedge.runtime.gallery import scan as scan_module
from embedge.runtime.gallery.int8 import float_from_int8, int8_from_float
from embedge.runtime.gallery.scan import Int8Scan
from embedge.runtime.gallery.segment import HIGH, MIDDLE, Segment

DIM = 48


def unit(seed: int, count: int, dim: int = DIM) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def small_segments(monkeypatch):
    monkeypatch.setattr(scan_module, "_SEGMENT", 100)
    monkeypatch.setattr(scan_module, "_LOOSE", 6)
    monkeypatch.setattr(scan_module, "_SMALL", 3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_the_rows_however_they_came(small_segments, seed, threads):
    dice = np.random.default_rng(seed)
    queries, scan, rows = unit(99, 3), Int8Scan(DIM, threads), np.empty((0, DIM), np.int8)
    for size in dice.choice([1, 2, 5, 7, 11, 40, 130], 40):
        part = int8_from_float(unit(int(size) + 1000 * len(rows), int(size)))
        scan.append(part)
        rows = np.concatenate([rows, part])
        if dice.random() < 0.7:
            exact = queries.astype(np.float64) @ float_from_int8(rows).T
            assert np.abs(scan.scores(queries) - exact).max() <= Int8Scan.error(queries)
    assert scan.scores(queries).shape == (3, len(rows))
    scan.close()


def test_an_empty_scan_has_no_scores():
    assert Int8Scan(DIM).scores(unit(0, 2)).shape == (2, 0)


@pytest.mark.parametrize("rows", [1, 33, 700])
def test_a_segment_gives_its_rows_back(rows):
    codes = np.random.default_rng(rows).integers(-127, 128, (rows, DIM), dtype=np.int8)
    assert (Segment(codes).codes() == codes).all()


def test_no_two_products_clip_where_they_are_added_in_16_bits():
    """x86 without VNNI adds neighbouring products of query and template bytes that way."""
    extreme = np.concatenate([np.eye(DIM), -np.eye(DIM), unit(5, 50)]).astype(np.float32)
    written, _ = scan_module._two_bytes(extreme)
    assert written.max() == MIDDLE + HIGH
    assert 2 * int(written.max()) * 127 <= np.iinfo(np.int16).max


def test_the_stated_error_is_kept_at_512_dimensions():
    queries, codes = unit(1, 8, 512), int8_from_float(unit(2, 300, 512))
    scan = Int8Scan(512)
    scan.append(np.concatenate([codes] * 8))  # more than stays loose
    exact = queries.astype(np.float64) @ float_from_int8(codes).T
    missed = np.abs(scan.scores(queries)[:, : len(codes)] - exact)
    assert missed.max() <= Int8Scan.error(queries) < 5e-4
    assert missed.mean() < 1e-5
