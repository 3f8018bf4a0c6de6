from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.runtime.encoders import unit_rows
from embedge.train.head.recovery.grouping import grouped


def embeddings(count: int, seed: int = 0, dim: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 20 * unit_rows(rng.normal(size=(count, dim)).astype(np.float32))


def near(rows: np.ndarray, seed: int = 1) -> np.ndarray:
    return rows + 0.5 * unit_rows(np.random.default_rng(seed).normal(size=rows.shape))


def test_every_picture_is_a_class_of_its_own() -> None:
    rows = embeddings(50)
    found = grouped(rows.astype(np.float16), None, 0.95)
    assert found.labels.tolist() == list(range(50))
    assert found.rows.tolist() == list(range(50))
    assert (found.duplicates, found.no_faces) == (0, 0)
    np.testing.assert_allclose(found.centres, unit_rows(rows), atol=2e-3)


def test_duplicates_share_a_class_and_are_counted() -> None:
    rows = embeddings(40)
    found = grouped(np.concatenate([rows, near(rows[:7]), near(rows[:2], 5)]), None, 0.95)
    assert found.duplicates == 9
    assert found.labels[40:].tolist() == [*range(7), 0, 1]
    assert len(found.centres) == 40
    assert "9 are like another one" in found.summary()


def test_what_the_teacher_answers_shortly_is_left_out() -> None:
    rows = embeddings(60)
    rows *= np.random.default_rng(0).uniform(0.95, 1.05, (60, 1))
    rows[[3, 30]] *= 0.4
    found = grouped(rows, None, 0.95)
    assert found.no_faces == 2
    assert sorted({*range(60)} - set(found.rows.tolist())) == [3, 30]
    assert len(found.rows) == len(found.labels) == 58


def test_answers_of_zeros_are_no_faces() -> None:
    rows = embeddings(60)
    mirrored = rows.copy()
    rows[[3, 30]], mirrored[40] = 0, 0
    found = grouped(rows.astype(np.float16), mirrored.astype(np.float16), 0.95)
    assert found.no_faces == 3
    assert not {3, 30, 40} & set(found.rows.tolist())
    assert np.isfinite(found.centres).all()


def test_of_a_teacher_that_answers_in_one_length_nobody_is_left_out() -> None:
    assert grouped(unit_rows(embeddings(60)).astype(np.float16), None, 0.95).no_faces == 0


@pytest.mark.parametrize(("mirror", "averaged"), [(near, True), (lambda r: r[::-1], False)])
def test_mirrored_answers_count_where_they_mean_the_same(
    mirror: Callable[..., Any], averaged: bool
) -> None:
    rows = embeddings(30)
    others = mirror(rows)
    wanted = unit_rows(unit_rows(rows) + unit_rows(others)) if averaged else unit_rows(rows)
    np.testing.assert_allclose(grouped(rows, others, 0.999).centres, wanted, atol=1e-5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_classes_are_what_hangs_together(names: list[int]) -> None:
    """Copies of six pictures in any order: as many classes as different ones, alike the same."""
    found = grouped(embeddings(6)[names], None, 0.95)
    assert len(found.centres) == len(set(names))
    for a, mine in enumerate(names):
        for b, other in enumerate(names):
            assert (found.labels[a] == found.labels[b]) == (mine == other)
