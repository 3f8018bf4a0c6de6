"""Do the 95 % intervals hold the truth, and thresholds their FMR? Populations of known truth.

    python benchmarks/interval_coverage.py [--trials 500] [--first-seed N] [--only NAME ...]
        [--pieces FOLDER --minutes M]   # stops after M minutes; called again it goes on from there

Each trial meets new people, who differ in how alike they look (families, wolves, a group of
look-alikes) and in how much their pictures vary. At the population's threshold most accept
99.6 % of the genuine comparisons. What was used before is asked in the first trials, for its width.
The methods were chosen with the seeds below 1,000 in view: those from 40,000 on are fresh.
"""

import argparse
import json
import pickle
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from interval_before import intervals_before
from numpy.typing import NDArray
from provenance import provenance, write_result

from embedge.calibration.intervals.interval import Interval
from embedge.calibration.intervals.rates import (
    carried_point,
    equal_error_interval,
    evidence_of,
    fmr_interval,
    fnmr_interval,
    tar_interval,
)
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient, equal_error
from embedge.calibration.scores import Float32
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.threshold import Threshold

NOMINAL = {"coverage": 0.93, "one_sided": 0.05, "threshold_misses": 0.075}
# False matches that may be expected among pairs of people: from here on a threshold is to be no
# stricter than asked. Of half as many even a Poisson count leaves no more than 0.62 of the target
SUFFICES = 40
NOT_STRICTER = 0.6
TRIALS = 500  # of every population, before anything is called held
_DIM, _FAMILIES, _TAIL = 32, 30, 40_000
_PIECE = 25
_HARDER = 12  # pictures, four times what half of the people have
T = TypeVar("T")
_RESULT = Path(__file__).parent / "results" / "interval_coverage.json"


@dataclass(frozen=True)
class Population:
    """`alike`: how much of a person is the family's; `restless`: how unequal people's noise is.

    `wolves` and `group` are shares of the people who are `near` the mean of all, or one another.
    """

    name: str
    subjects: int
    images: int
    fmr: float
    noise: float
    alike: float = 0.2
    restless: float = 0.35
    unequal: bool = False
    wolves: float = 0.0
    group: float = 0.0
    near: float = 0.0
    heavy: bool = False
    """a few people have most pictures, and are harder"""

    def drawn(
        self,
        generator: np.random.Generator,
        subjects: int,
        images: int | None = None,
        *,
        exact: bool = False,
    ) -> tuple[Float32, NDArray[np.int64]]:
        """Embeddings and whose they are; `exact` shares of kinds of people make a better truth."""
        families = np.random.default_rng(5).normal(size=(_FAMILIES, _DIM))
        own = generator.normal(size=(subjects, _DIM))
        family = families[generator.integers(0, _FAMILIES, subjects)]
        people = np.sqrt(self.alike) * family + np.sqrt(1 - self.alike) * own
        place = (np.arange(subjects) + 0.5) / subjects
        kind = generator.permutation(place) if exact else generator.random(subjects)
        self._drawn_near(people, kind < self.group, np.random.default_rng(6).normal(size=_DIM))
        self._drawn_near(people, kind > 1 - self.wolves, families.sum(0) / np.sqrt(_FAMILIES))
        held = counts = np.full(subjects, images or self.images)
        if self.heavy:
            held = self._held(generator, subjects, images)
            counts = held if images is None else counts
        if self.unequal and images is None:
            counts = np.clip(generator.geometric(1 / (self.images - 1), subjects) + 1, 2, 30)
        labels = np.repeat(np.arange(subjects), counts)
        noise = self.noise * generator.lognormal(0, self.restless, subjects)
        noise *= np.where(self.heavy & (held > _HARDER), 1.5, 1.0)
        rows = people[labels] + noise[labels, None] * generator.normal(size=(len(labels), _DIM))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows.astype(np.float32), labels

    def _held(
        self, generator: np.random.Generator, subjects: int, images: int | None
    ) -> NDArray[np.int64]:
        """Pictures of each, by Pareto's law; for the truth as often as comparisons are of them."""
        many = subjects if images is None else 4 * subjects
        held = np.clip((2 * (1 - generator.random(many)) ** (-1 / 1.1)).astype(np.int64), 2, 150)
        if images is None:
            return held
        weight = held.astype(float) * (held - 1 if images == 2 else 1)
        return generator.choice(held, subjects, p=weight / weight.sum())

    def _drawn_near(
        self, people: NDArray[np.float64], who: NDArray[np.bool_], centre: NDArray[np.float64]
    ) -> None:
        people[who] = np.sqrt(self.near) * centre + np.sqrt(1 - self.near) * people[who]


POPULATIONS = (
    Population("12 x 40", 12, 40, 0.05, 0.448),
    Population("30 x 20", 30, 20, 0.01, 0.375),
    Population("100 x 8", 100, 8, 1e-3, 0.307),
    Population("300 x 8", 300, 8, 1e-4, 0.262),
    Population("300 x 8, 1e-3", 300, 8, 1e-3, 0.307),
    Population("1,000 unequal, 1e-5", 1000, 3, 1e-5, 0.227, unequal=True),
    Population("1,000 unequal, 1e-4", 1000, 3, 1e-4, 0.262, unequal=True),
    Population("1,000 unequal, 1e-3", 1000, 3, 1e-3, 0.307, unequal=True),
    Population("wolves, 200 x 5", 200, 5, 1e-3, 0.297, wolves=0.02, near=0.6),
    Population("look-alikes, 200 x 5", 200, 5, 1e-3, 0.305, group=0.02, near=0.5),
    Population("closest look-alikes, 200 x 5", 200, 5, 1e-3, 0.297, group=0.02, near=0.8),
    Population("families, many errors", 100, 6, 1e-2, 0.75, alike=0.4, restless=0.4),
    Population("a few people dominate and are harder", 150, 2, 1e-3, 0.3, heavy=True),
    Population("many people, two pictures", 300, 2, 1e-3, 0.75, alike=0.3, restless=0.4),
)


@dataclass(frozen=True)
class Truth:
    """`impostors` are the highest scores of `comparisons`."""

    threshold: float
    fmr: float
    fnmr: float
    eer: float
    impostors: NDArray[np.float32]
    comparisons: int

    def fmr_at(self, threshold: float) -> float:
        passed = len(self.impostors) - np.searchsorted(
            self.impostors, np.float32(threshold), "right"
        )
        return float(passed / self.comparisons)


def truth_of(population: Population, block: int = 2000) -> Truth:
    """Rates of a large draw, at the threshold that has the population's FMR target."""
    subjects = 24_000 if population.fmr <= 1e-3 else 8_000
    generator = np.random.default_rng(99)
    rows, _ = population.drawn(generator, subjects, 1, exact=True)
    pairs = population.drawn(generator, 400_000, 2, exact=True)[0].reshape(-1, 2, _DIM)
    genuine = np.sort(np.einsum("nd,nd->n", pairs[:, 0], pairs[:, 1]))
    some = (rows[:3000] @ rows[:3000].T)[np.triu_indices(3000, 1)]
    share = max(20 * population.fmr, 2 * _near_equal(some, genuine))
    floor = np.quantile(some, 1 - min(share, 0.3))
    kept = []
    for top in range(0, subjects, block):
        for left in range(top, subjects, block):
            scores = rows[top : top + block] @ rows[left : left + block].T
            scores = scores[np.triu_indices(block, 1)] if top == left else scores
            kept.append(scores[scores > floor])
    impostors, comparisons = np.sort(np.concatenate(kept)), subjects * (subjects - 1) // 2
    threshold = float(impostors[-int(comparisons * population.fmr) - 1])
    grid = np.linspace(float(floor), 0.95, 4000)
    fmrs = (len(impostors) - np.searchsorted(impostors, grid, "right")) / comparisons
    fnmrs = np.searchsorted(genuine, grid, "right") / len(genuine)
    cross = int(np.abs(fmrs - fnmrs).argmin())
    fnmr = float(np.searchsorted(genuine, threshold, "right") / len(genuine))
    eer = float((fmrs[cross] + fnmrs[cross]) / 2)
    return Truth(threshold, population.fmr, fnmr, eer, impostors, comparisons)


def _near_equal(impostors: Float32, genuine: Float32) -> float:
    """About the EER: so much of the tail has to be kept, at least."""
    shares = np.geomspace(1e-5, 0.3, 200)
    rejected = np.searchsorted(genuine, np.quantile(impostors, 1 - shares)) / len(genuine)
    return float(shares[np.abs(rejected - shares).argmin()])


@dataclass(frozen=True)
class Answer:
    """What was said of a quantity whose truth is known; `before` by the former method."""

    what: str
    said: Interval
    truth: float
    before: bool = False


@dataclass(frozen=True)
class Trial:
    answers: tuple[Answer, ...]
    threshold_fmr: float | None


def trial(population: Population, truth: Truth, with_before: int, seed: int) -> Trial:
    rows, labels = population.drawn(np.random.default_rng(seed), population.subjects)
    scores = pairs_within(rows, labels, tail_limit=_TAIL)
    evidence, equal = evidence_of(scores, seed=seed), equal_error(scores)
    assert not isinstance(equal, Insufficient)
    point = carried_point(evidence, truth.fmr)
    tar = None if isinstance(point, Insufficient) else point.tar
    truths = {
        "FMR at a threshold": truth.fmr,
        "FNMR at a threshold": truth.fnmr,
        "TAR at an FMR": 1 - truth.fnmr,
        "EER": truth.eer,
    }
    said = {
        "FMR at a threshold": fmr_interval(evidence, truth.threshold),
        "FNMR at a threshold": fnmr_interval(evidence, truth.threshold),
        "EER": equal_error_interval(evidence, equal),
    }
    if not isinstance(point, Insufficient):
        said["TAR at an FMR"] = tar_interval(evidence, point)
    answers = [Answer(what, interval, truths[what]) for what, interval in said.items()]
    if seed % 1000 < with_before:
        before = intervals_before(scores, truth.threshold, truth.fmr, tar, equal, seed)
        answers += [Answer(what, interval, truths[what], True) for what, interval in before]
    found = threshold_at(scores, truth.fmr, dataset="simulated", model="none")
    held = truth.fmr_at(found.value) if isinstance(found, Threshold) else None
    return Trial(tuple(answers), held)


@dataclass(frozen=True)
class Pieces:
    """What was measured so far, and until when to go on; without a folder all is done at once."""

    folder: Path | None
    until: float

    def kept(self, name: str, make: Callable[[], T]) -> T:
        if self.folder is None:
            return make()
        file = self.folder / f"{name}.pickle"
        if not file.exists():
            if time.monotonic() > self.until:
                raise SystemExit("not done: call again to go on")
            file.write_bytes(pickle.dumps(make()))
        return pickle.loads(file.read_bytes())  # our own, of a run before


def trials(
    population: Population, truth: Truth, seeds: range, with_before: int, pieces: Pieces
) -> list[Trial]:
    ask = partial(trial, population, truth, with_before)
    found = []
    for start in range(seeds.start, seeds.stop, _PIECE):
        some = range(start, min(start + _PIECE, seeds.stop))
        found += pieces.kept(f"{population.name} {start}", partial(list, map(ask, some)))
    return found


def told(population: Population, truth: Truth, found: list[Trial]) -> dict[str, Any]:
    """Coverage, misses on either side and widths of every interval, and what thresholds did."""
    now, before = defaultdict(list), defaultdict(list)
    for one in found:
        for answer in one.answers:
            (before if answer.before else now)[answer.what].append(answer)
    held = np.asarray([one.threshold_fmr for one in found if one.threshold_fmr is not None])
    pairs = population.subjects * (population.subjects - 1) / 2
    return {
        "truth": {"fmr": truth.fmr, "fnmr": truth.fnmr, "eer": truth.eer},
        "population": asdict(population),
        "trials": len(found),
        "intervals": {what: _covered(said) for what, said in now.items()},
        "before": {what: _covered(said) for what, said in before.items()},
        "threshold": {
            "set": len(held),
            "refused": 1 - len(held) / len(found),
            "misses": float((held > truth.fmr).mean()) if len(held) else None,
            "median_of_target": float(np.median(held) / truth.fmr) if len(held) else None,
            "data_suffice": bool(population.fmr * pairs >= SUFFICES),
        },
    }


def _covered(said: list[Answer]) -> dict[str, float]:
    below = np.asarray([one.said.high < one.truth for one in said])
    above = np.asarray([one.said.low > one.truth for one in said])
    widths = [one.said.high - one.said.low for one in said]
    return {
        "coverage": float(1 - (below | above).mean()),
        "high_too_low": float(below.mean()),
        "low_too_high": float(above.mean()),
        "median_width": float(np.median(widths)),
    }


def measured(populations: dict[str, Any]) -> dict[str, float]:
    intervals = [one for found in populations.values() for one in found["intervals"].values()]
    limits = [found["threshold"] for found in populations.values()]
    sides = [max(one["high_too_low"], one["low_too_high"]) for one in intervals]
    return {
        "lowest_coverage": min(one["coverage"] for one in intervals),
        "most_one_sided": max(sides),
        "most_threshold_misses": max(one["misses"] or 0.0 for one in limits),
        "least_median_of_target": min(
            (one["median_of_target"] for one in limits if one["data_suffice"]), default=1.0
        ),
    }


def lacking(populations: dict[str, Any]) -> dict[str, int]:
    """Populations with fewer trials than it takes, and how many there are."""
    there = {one.name: populations.get(one.name, {}).get("trials", 0) for one in POPULATIONS}
    return {name: trials for name, trials in there.items() if trials < TRIALS}


def held_of(found: dict[str, float], populations: dict[str, Any]) -> dict[str, bool]:
    """Which bounds hold: none of them before every population has its trials."""
    whole = not lacking(populations)
    return {
        "lowest_coverage": whole and found["lowest_coverage"] >= NOMINAL["coverage"],
        "most_one_sided": whole and found["most_one_sided"] <= NOMINAL["one_sided"],
        "most_threshold_misses": whole
        and found["most_threshold_misses"] <= NOMINAL["threshold_misses"],
        "least_median_of_target": whole and found["least_median_of_target"] >= NOT_STRICTER,
    }


def written(populations: dict[str, Any], first_seed: int) -> None:
    found = measured(populations)
    held = held_of(found, populations)
    bounds = dict(zip(held, (*NOMINAL.values(), NOT_STRICTER)))
    result = {"first_seed": first_seed, "populations": populations}
    write_result(
        "interval_coverage",
        {
            "provenance": provenance(),
            **result,
            "measured": found,
            "bounds": bounds,
            "lacking": lacking(populations),
            "held": held,
        },
    )
    print(json.dumps({"measured": found, "held": held}, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--first-seed", type=int, default=40_000)
    parser.add_argument("--before", type=int, default=60, help="trials that ask the old method too")
    parser.add_argument("--only", nargs="*", help="populations; the others' results are kept")
    parser.add_argument("--no-result", action="store_true")
    parser.add_argument("--pieces", type=Path, help="folder that keeps what was measured")
    parser.add_argument("--minutes", type=float, default=1e6)
    options = parser.parse_args()
    pieces = Pieces(options.pieces, time.monotonic() + 60 * options.minutes)
    known = json.loads(_RESULT.read_text()) if _RESULT.exists() else {}
    kept = known.get("populations", {}) if known.get("first_seed") == options.first_seed else {}
    seeds = range(options.first_seed, options.first_seed + options.trials)
    for population in POPULATIONS:
        if options.only and population.name not in options.only:
            continue
        truth = pieces.kept(f"{population.name} truth", partial(truth_of, population))
        found = told(population, truth, trials(population, truth, seeds, options.before, pieces))
        shown(population.name, found)
        if not options.no_result:
            kept[population.name] = found
            written(kept, options.first_seed)


def shown(name: str, found: dict[str, Any]) -> None:
    print(name, {key: f"{value:.4g}" for key, value in found["truth"].items()})
    for what, one in found["intervals"].items():
        was = found["before"].get(what, {"coverage": np.nan, "median_width": np.nan})
        print(
            f"  {what:20} holds {one['coverage']:6.1%} (misses {one['high_too_low']:.1%} above,"
            f" {one['low_too_high']:.1%} below) width {one['median_width']:.4%};"
            f" before {was['coverage']:6.1%}, {was['median_width']:.4%}"
        )
    limit = found["threshold"]
    print(
        "  threshold",
        {key: value if value is None else round(value, 3) for key, value in limit.items()},
        flush=True,
    )


if __name__ == "__main__":
    main()
