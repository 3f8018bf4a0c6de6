"""Two groups of people, of whom one is as badly off as the other, or three times as badly."""

import numpy as np

from embedge.calibration.evaluation.slices import GroupLabels, sliced

DIM, PEOPLE, PICTURES, RUNS = 32, 300, 4, 100
THRESHOLD, NOISE = 0.5185, 0.46  # FMR 0.1 %, FNMR 2.6 %
# of the other group: three times the FMR, or three times the FNMR, in a large draw
THRICE = {"fmr": (0.092, NOISE), "fnmr": (0.0, 1.23 * NOISE)}


def drawn(
    generator: np.random.Generator, alike: float, noise: float, count: int = PEOPLE
) -> np.ndarray:
    centre = np.random.default_rng(7).normal(size=DIM)
    people = np.sqrt(1 - alike) * generator.normal(size=(count, DIM)) + np.sqrt(alike) * centre
    spread = noise * generator.lognormal(0, 0.3, count).repeat(PICTURES)[:, None]
    rows = people.repeat(PICTURES, 0) + spread * generator.normal(size=(count * PICTURES, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def flagged(seed: int, alike: float, noise: float, count: int = PEOPLE) -> dict[str, bool]:
    generator = np.random.default_rng(seed)
    both = drawn(generator, 0.0, NOISE, count), drawn(generator, alike, noise, count)
    rows, subjects = np.concatenate(both), np.arange(2 * count).repeat(PICTURES)
    groups = GroupLabels({"group": np.repeat(["a", "b"], count * PICTURES).tolist()})
    return {
        one.rate: one.words is not None for one in sliced(rows, subjects, groups, THRESHOLD).worst
    }
