"""Searches counted by hand, and against loops over blocks."""

import numpy as np
import pytest

from embedge.calibration import identification as module
from embedge.calibration.identification import Searched, identification, searched


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_rank_mate_and_best_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROBES", 7)
    generator = np.random.default_rng(0)
    people = generator.normal(size=(30, 16))
    gallery = unit(people[:20] + 0.4 * generator.normal(size=(20, 16)))
    owners = generator.integers(0, 30, 50)
    probes = unit(people[owners] + 0.6 * generator.normal(size=(50, 16)))
    found = searched(gallery, np.arange(20), probes, owners)
    for number, owner in enumerate(owners):
        scores = gallery @ probes[number]
        others = np.delete(scores, owner) if owner < 20 else scores
        assert found.best[number] == pytest.approx(others.max(), abs=1e-6)
        if owner < 20:
            assert found.mate[number] == pytest.approx(scores[owner], abs=1e-6)
            assert found.rank[number] == 1 + (others >= scores[owner]).sum()
        else:
            assert found.rank[number] == 0
    np.testing.assert_array_equal(found.mated, owners < 20)


def test_fnir_counts_a_mate_that_is_not_first_as_missed() -> None:
    strangers = np.linspace(0, 0.99, 100).astype(np.float32)
    found = Searched(
        np.arange(104),
        np.concatenate([strangers, np.asarray([0.1, 0.1, 0.97, 0.1], np.float32)]),
        np.concatenate([np.full(100, -np.inf), [0.95, 0.5, 0.96, 0.93]]).astype(np.float32),
        np.concatenate([np.zeros(100, int), [1, 1, 2, 1]]),
    )
    result = identification(found, 4, (0.1, 0.01))
    point, beyond = result.points
    assert (result.mated, result.non_mated) == (4, 100)
    assert result.ranks == {"1": 0.75, "5": 1.0, "10": 1.0}
    assert point.threshold == pytest.approx(0.89)
    assert point.fpir == 0.1
    assert point.fnir == 0.5
    assert point.low < 0.5 < point.high
    assert (beyond.fnir, beyond.needs, beyond.of) == (None, 300, "people not in the gallery")


def test_a_tie_counts_against_the_mate() -> None:
    gallery = unit(np.asarray([[1.0, 0.0], [1.0, 0.0]]))
    found = searched(gallery, np.asarray([1, 2]), gallery[:1], np.asarray([1]))
    assert found.rank.tolist() == [2]


def test_no_mated_search_has_no_fnir() -> None:
    found = searched(
        unit(np.eye(3)), np.arange(3), unit(np.tile(np.eye(3), (20, 1))), np.arange(60) + 9
    )
    result = identification(found, 3, (0.1,))
    assert result.ranks == {}
    assert [(point.needs, point.of) for point in result.points] == [(1, "people in the gallery")]
