"""The scan: whatever the order and size of what is appended, the scores are those of the rows."""

from functools import partial

import gallery_rows
import numpy as np
import pytest

from embedge.runtime.gallery.search import scan as scan_module
from embedge.runtime.gallery.search.index import TemplateIndex
from embedge.runtime.gallery.search.int8 import float_from_int8, int8_from_float
from embedge.runtime.gallery.search.query_bytes import query_bytes
from embedge.runtime.gallery.search.scan import Int8Scan
from embedge.runtime.gallery.search.segment import HIGH, MIDDLE, Segment

DIM = 48
unit = partial(gallery_rows.unit, dim=DIM)


def scores(scan: Int8Scan, queries: np.ndarray) -> np.ndarray:
    """Of every row, as the scan sees it."""
    everything = scan.best_rows(queries, 10**9)
    assert all((rows == np.arange(len(rows))).all() for rows, _ in everything)
    return np.array([cosines for _, cosines in everything])


def most_off(queries: np.ndarray) -> np.ndarray:
    query = query_bytes(queries)
    return np.array([[query.error(number)] for number in range(len(queries))])


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "_SEGMENT", 100)
    monkeypatch.setattr(scan_module, "_SHARED", 30)
    monkeypatch.setattr(scan_module, "_LOOSE", 6)
    monkeypatch.setattr(scan_module, "_SMALL", 3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_the_rows_however_they_came(
    small_segments: None, seed: int, threads: int
) -> None:
    dice = np.random.default_rng(seed)
    queries, scan, rows = unit(99, 3), Int8Scan(DIM, threads), np.empty((0, DIM), np.int8)
    for size in dice.choice([1, 2, 5, 7, 11, 40, 130], 40):
        part = int8_from_float(unit(int(size) + 1000 * len(rows), int(size)))
        scan.append(part)
        rows = np.concatenate([rows, part])
        if dice.random() < 0.7:
            exact = queries.astype(np.float64) @ float_from_int8(rows).T
            assert (np.abs(scores(scan, queries) - exact) <= most_off(queries)).all()
    assert scores(scan, queries).shape == (3, len(rows))
    assert (scores(scan, queries[:1]) == scores(scan, queries)[:1]).all()
    scan.close()


def test_an_empty_scan_has_no_scores() -> None:
    assert scores(Int8Scan(DIM), unit(0, 2)).shape == (2, 0)


@pytest.mark.parametrize("rounding", [None, 0.0, 0.05])
def test_whoever_may_be_among_the_best_is_found(
    small_segments: None, rounding: float | None
) -> None:
    queries, scan, codes = unit(1, 3), Int8Scan(DIM), int8_from_float(unit(2, 250))
    scan.append(codes)
    seen, off = scores(scan, queries), most_off(queries)
    for wanted in (1, 4, 249, 250):
        for number, (rows, cosines) in enumerate(scan.best_rows(queries, wanted, rounding)):
            least = np.sort(seen[number])[-wanted]
            slack = 0 if rounding is None else 2 * (rounding + off[number, 0])
            assert set(np.flatnonzero(seen[number] >= least - slack)) <= set(rows)
            assert len(rows) == wanted or rounding is not None
            assert (seen[number][rows] == cosines).all()


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_identical_templates_tie_wherever_they_are_laid_out(
    small_segments: None, kind: str
) -> None:
    """Sums of a matrix product may depend on a row's place in it; these must not."""
    row = unit(3, 1)
    for count in range(1, 40):
        index, names = TemplateIndex(DIM, kind), [f"{99 - number}" for number in range(count)]
        for name in names:
            matrix = int8_from_float(row) if kind == "int8" else row
            index.add([name], matrix)
            index.search(row, 1)
        (found,) = index.search(unit(count, 1), count)
        assert [each.person for each in found] == sorted(names)
        assert len({each.cosine for each in found}) == 1
        index.close()


@pytest.mark.parametrize("rows", [1, 33, 700])
def test_a_segment_gives_its_rows_back(rows: int) -> None:
    codes = np.random.default_rng(rows).integers(-127, 128, (rows, DIM), dtype=np.int8)
    assert (Segment(codes).codes() == codes).all()


def test_no_two_products_clip_where_they_are_added_in_16_bits() -> None:
    """x86 without VNNI adds neighbouring products of query and template bytes that way."""
    extreme = np.concatenate([np.eye(DIM), -np.eye(DIM), unit(5, 50)]).astype(np.float32)
    written = query_bytes(extreme).rows
    assert written.max() == MIDDLE + HIGH
    assert 2 * int(written.max()) * 127 <= np.iinfo(np.int16).max


def test_a_query_is_what_its_bytes_say() -> None:
    queries = np.concatenate([np.eye(DIM), -np.eye(DIM), unit(6, 50)]).astype(np.float32)
    query = query_bytes(queries)
    coarse, fine = np.split(query.rows.astype(np.float64) - MIDDLE, 2)
    again = (128 * coarse + fine) * query.largest[:, None] / (128 * HIGH)
    assert (np.abs(again - queries) <= 0.501 * query.largest[:, None] / (128 * HIGH)).all()


def test_the_stated_error_is_kept_at_512_dimensions() -> None:
    queries = gallery_rows.unit(1, 8, 512)
    codes = int8_from_float(gallery_rows.unit(2, 300, 512))
    scan = Int8Scan(512)
    scan.append(np.concatenate([codes] * 8))  # more than stays loose
    exact = queries.astype(np.float64) @ float_from_int8(codes).T
    missed = np.abs(scores(scan, queries)[:, : len(codes)] - exact)
    assert (missed <= most_off(queries)).all()
    assert most_off(queries).max() < 5e-4
    assert missed.mean() < 1e-5
