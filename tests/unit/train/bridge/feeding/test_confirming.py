import numpy as np
from two_spaces import strangers, unit

from embedge.train.bridge.feeding.confirming import better_way, clearly_better, foretold


def test_the_network_that_hears_rightly_is_foretold_better():
    old, new = strangers(600)
    muffled = unit(old + 0.08 * np.random.default_rng(1).normal(size=old.shape))
    right, wrong = foretold(old, new), foretold(np.float32(muffled), new)
    assert clearly_better(right, wrong)
    assert not clearly_better(wrong, right)
    assert not clearly_better(right, right)


def test_few_pictures_and_small_gains_prove_nothing():
    random = np.random.default_rng(0)
    cosines = random.uniform(0.5, 0.9, 600)
    assert not clearly_better(cosines + 0.004, cosines)
    assert not clearly_better(cosines + random.normal(0.006, 0.2, 600), cosines)
    assert not clearly_better(cosines[:50] + 0.1, cosines[:50])


def muffled(rows: np.ndarray, how_much: float) -> np.ndarray:
    return unit(rows + how_much * np.random.default_rng(1).normal(size=rows.shape))


def test_of_better_ways_the_best_is_named():
    old, new = strangers(600)
    wrong = muffled(old, 0.12)
    tried = {"a little better": muffled(old, 0.08), "right": old, "worse": muffled(old, 0.3)}
    better = better_way(wrong, new, tried)
    assert better is not None
    assert better.way == "right"
    assert better.pictures == 600
    assert better.gain == foretold(old, new).mean() - foretold(wrong, new).mean() > 0.005


def test_the_right_way_is_not_accused():
    old, new = strangers(600)
    tried = {"noisy": muffled(old, 0.05), "noisier": muffled(old, 0.1), "the same": old}
    assert better_way(old, new, tried) is None
    assert better_way(old, muffled(new, 0.1), tried) is None, "the other one may be fed wrongly"
