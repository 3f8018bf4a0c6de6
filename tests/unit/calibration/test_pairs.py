"""Every pair once, against plain loops."""

from itertools import combinations, product

import numpy as np
import pytest

from embedge.calibration import pairs as module
from embedge.calibration.pairs import pairs_between, pairs_listed, pairs_within
from embedge.calibration.scores import BINS, PairScores
from embedge.errors import EmbedgeError


def unit(rows: int, seed: int = 0, dim: int = 16) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 7)


def as_sets(scores: PairScores) -> tuple[dict, dict]:
    genuine = {tuple(p): s for p, s in zip(scores.genuine_pairs.tolist(), scores.genuine)}
    impostor = {tuple(p): s for p, s in zip(scores.tail_pairs.tolist(), scores.tail)}
    return genuine, impostor


def expected(
    cosine: np.ndarray, wanted: list, left: np.ndarray, right: np.ndarray
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    genuine = {(i, j): cosine[i, j] for i, j in wanted if left[i] == right[j]}
    impostor = {(i, j): cosine[i, j] for i, j in wanted if left[i] != right[j]}
    return genuine, impostor


def assert_same(found: dict, wanted: dict, *, unordered: bool = False) -> None:
    key = (lambda pair: tuple(sorted(pair))) if unordered else (lambda pair: pair)
    found = {key(pair): score for pair, score in found.items()}
    assert found.keys() == wanted.keys()
    assert [found[k] for k in wanted] == pytest.approx(list(wanted.values()), abs=1e-6)


def test_within_is_every_unordered_pair_of_different_rows() -> None:
    embeddings = unit(30)
    labels = np.random.default_rng(1).integers(0, 6, 30) * 17 - 3
    genuine, impostor = as_sets(pairs_within(embeddings, labels))
    wanted = list(combinations(range(30), 2))
    oracle = expected(embeddings @ embeddings.T, wanted, labels, labels)
    assert_same(genuine, oracle[0], unordered=True)
    assert_same(impostor, oracle[1], unordered=True)


def test_between_is_every_ordered_pair_but_those_of_one_image() -> None:
    gallery, probe = unit(20), unit(25, seed=2)
    generator = np.random.default_rng(3)
    images = np.arange(25)
    people = generator.integers(0, 5, 25)
    chosen = generator.permutation(25)[:20]
    scores = pairs_between(
        gallery, people[chosen], probe, people, gallery_images=chosen, probe_images=images
    )
    wanted = [(i, j) for i, j in product(range(20), range(25)) if chosen[i] != j]
    oracle = expected(gallery @ probe.T, wanted, people[chosen], people)
    for found, right in zip(as_sets(scores), oracle):
        assert_same(found, right)


def test_listed_pairs_keep_their_own_verdict_and_cells() -> None:
    embeddings, labels = unit(6), np.asarray(["a", "a", "b", "b", "c", "c"])
    scores = pairs_listed(
        embeddings, labels, [[0, 1], [0, 2], [2, 1], [4, 3]], [True, False, False, False]
    )
    assert len(scores.genuine) == 1
    assert scores.cells is not None
    assert scores.cells.tolist() == [[0, 1, 2], [1, 2, 1]]
    assert scores.impostors == 3


def test_a_short_tail_is_exact_and_the_rest_is_counted() -> None:
    embeddings, labels = unit(60), np.arange(60) // 2
    everything = pairs_within(embeddings, labels)
    part = pairs_within(embeddings, labels, tail_limit=50)
    assert len(part.tail) == 50
    assert not part.exact
    assert part.impostors == everything.impostors
    np.testing.assert_array_equal(part.tail, everything.tail[-50:])
    np.testing.assert_array_equal(part.impostor_histogram(), everything.impostor_histogram())
    np.testing.assert_array_equal(part.genuine, everything.genuine)
    for threshold in (part.tail[0], part.tail[30], 0.99):
        assert part.impostors_above(threshold) == everything.impostors_above(threshold)


def test_below_the_tail_counts_err_upwards_by_at_most_one_bin() -> None:
    embeddings, labels = unit(60), np.arange(60) // 2
    everything = pairs_within(embeddings, labels)
    part = pairs_within(embeddings, labels, tail_limit=50)
    exact = everything.impostors_above(-0.1)
    lenient = everything.impostors_above(-0.1 - 2 / BINS)
    assert exact <= part.impostors_above(-0.1) <= lenient


@pytest.mark.parametrize(
    "broken",
    [
        np.full((3, 4), np.nan, np.float32),
        np.ones((3, 4), np.float32),
        np.eye(4, dtype=np.float32),
    ],
    ids=["nan", "not normalised", "one label short"],
)
def test_embeddings_that_cannot_be_compared_are_refused(broken: np.ndarray) -> None:
    with pytest.raises(EmbedgeError, match="E-EMBEDDINGS"):
        pairs_within(broken, [0, 1, 2])
