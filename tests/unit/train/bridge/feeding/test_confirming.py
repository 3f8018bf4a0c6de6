import numpy as np
from two_spaces import strangers, unit

from embedge.train.bridge.feeding.confirming import clearly_better, foretold


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
