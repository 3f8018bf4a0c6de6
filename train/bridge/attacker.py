"""How many known pairs an attacker needs before the map is his."""

import numpy as np

from embedge.calibration.bridging.attack import Known, Mapping, known_pairs
from embedge.calibration.scores import Float32
from embedge.runtime.encoders import unit_rows
from embedge.train.bridge.kernel import Features
from embedge.train.bridge.linear import Moments, ridge
from embedge.train.bridge.pairs import Pairs

__all__ = ["attacker_curve"]

_VICTIMS = 1000
_STRENGTH = 0.1


def attacker_curve(pairs: Pairs, dim: int) -> tuple[Known, ...]:
    """Ridge regression, which no secret rotation of either side hinders, on the first pairs."""
    order = np.random.default_rng(pairs.seed).permutation(pairs.pictures)
    count = min(_VICTIMS, pairs.pictures // 3)
    victims, rest = order[:count], order[count:]
    old, new = pairs.old[0], pairs.new[0]

    def fitted(known_old: Float32, known_new: Float32) -> Mapping:
        found = ridge(
            Moments.of(known_old, known_new), Features(dim).penalty(_STRENGTH, 0.0, 1 / dim)
        )

        def mapped(rows: Float32) -> Float32:
            return unit_rows(found(rows))

        return mapped

    return known_pairs(fitted, old[rest], new[rest], (old[victims], new[victims]))
