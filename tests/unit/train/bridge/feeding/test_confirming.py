import numpy as np
from two_spaces import strangers, unit

from embedge.train.bridge.feeding.confirming import Foretold, better_way, foretold, suits_better


def muffled(rows: np.ndarray, how_much: float) -> np.ndarray:
    return unit(rows + how_much * np.random.default_rng(1).normal(size=rows.shape))


def test_the_network_that_hears_rightly_is_foretold_better() -> None:
    old, new = strangers(600)
    right, wrong = foretold(old, new), foretold(muffled(old, 0.08), new)
    assert suits_better(right, wrong)
    assert not suits_better(wrong, right)
    assert not suits_better(right, right)


def test_how_far_a_picture_is_apart_from_others() -> None:
    old, new = strangers(300)
    found = foretold(old, new)
    assert found.rank1 > 0.9
    assert 0 < found.cosines.mean() < 1
    blind = foretold(old[np.random.default_rng(3).permutation(300)], new)
    assert abs(blind.apart.mean()) < 0.5 < 2 < found.apart.mean()
    assert blind.rank1 < 0.05


def of(cosines: np.ndarray, apart: float = 5.0, rank1: float = 1.0) -> Foretold:
    return Foretold(cosines, np.full(len(cosines), apart), rank1)


def test_few_pictures_and_small_gains_prove_nothing() -> None:
    random = np.random.default_rng(0)
    cosines = random.uniform(0.5, 0.9, 600)
    noisy = random.normal(0.006, 0.2, 600)
    assert suits_better(of(cosines + 0.02), of(cosines))
    assert not suits_better(of(cosines + 0.004), of(cosines))
    assert not suits_better(of(cosines + noisy), of(cosines))
    assert not suits_better(of(cosines[:50] + 0.1), of(cosines[:50]))


def test_what_is_nearer_and_less_apart_only_flatters() -> None:
    cosines = np.random.default_rng(0).uniform(0.5, 0.9, 600)
    assert suits_better(of(cosines + 0.02, 5.0), of(cosines, 5.0))
    assert not suits_better(of(cosines + 0.02, 4.5), of(cosines, 5.0))


def test_who_sees_no_faces_is_not_told_how_to_be_fed() -> None:
    cosines = np.random.default_rng(0).uniform(0.1, 0.3, 600)
    assert not suits_better(of(cosines + 0.1, rank1=0.5), of(cosines, rank1=0.3))


def test_of_better_ways_the_best_is_named() -> None:
    old, new = strangers(600)
    wrong = muffled(old, 0.12)
    tried = {"a little better": muffled(old, 0.08), "right": old, "worse": muffled(old, 0.3)}
    better = better_way(wrong, new, tried)
    assert better is not None
    assert better.way == "right"
    assert better.pictures == 600
    gain = foretold(old, new).cosines.mean() - foretold(wrong, new).cosines.mean()
    assert better.gain == gain > 0.005


def test_the_right_way_is_not_accused() -> None:
    old, new = strangers(600)
    tried = {"noisy": muffled(old, 0.05), "noisier": muffled(old, 0.1), "the same": old}
    assert better_way(old, new, tried) is None
    assert better_way(old, muffled(new, 0.1), tried) is None, "the other one may be fed wrongly"
