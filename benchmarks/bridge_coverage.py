"""Does the threshold of bridged templates hold its FMR on other people? And what averaging gives.

    python benchmarks/bridge_coverage.py CACHE [--splits 60] [--pair OLD NEW] [--kind auto]

On the embeddings that `benchmarks/bridge.py --cache CACHE` keeps. The map knows no labels and is
fitted once; again and again some people fix its threshold and the others are judged at it: how
often is its FMR over the target? Each pair is written when it is done, so that they may be
measured one by one.
The others are a sample too, so that a bound of 95 % is exceeded on them more often than 5 %:
`expected` is how often, were both samples normal. Then people with several pictures: is a gallery
better off when their bridged templates are averaged, before the bridge or behind it?
"""

import argparse
import json
import time
from itertools import permutations
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from bridge import GOALS, MODELS, end, kept_on
from provenance import RESULTS, provenance, write_result

from embedge.calibration.bridging.labelled import People, drawn
from embedge.calibration.pairs import pairs_between
from embedge.calibration.people.splits import split_subjects
from embedge.calibration.rates import Insufficient, false_match_rate
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.bridge import Bridge
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs

# FMR, and the share of the people who fix the threshold: fewer cannot carry it
SPLITS = {1e-3: 1 / 3, 1e-4: 1 / 2}
FMRS = (1e-3, 1e-4, 1e-5)
# the highest scores are exact, and no threshold for these FMRs is lower
TAIL = 30_000


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def coverage(bridge: Bridge, people: People, splits: int, fmrs: list[float]) -> dict[str, Any]:
    """Templates as they are, and drawn to their person's mean, at the threshold of both."""
    ways = [bridge.apply(rows) for rows in (people.old, drawn(people.old, people.labels))]
    names = np.unique(people.labels)
    found = {}
    for fmr in fmrs:
        share, rates = SPLITS[fmr], []
        for seed in range(splits):
            chosen, others = split_subjects(people.labels, 1000 + seed, share=share)
            limits = [_limit(rows[chosen], people.only(chosen), fmr) for rows in ways]
            held = [limit for limit in limits if limit is not None]
            if len(held) == len(ways):
                rest = people.only(others)
                rates.append([_rate(rows[others], rest, max(held)) for rows in ways])
        kinds = ("as they are", "drawn")
        told = zip(kinds, np.asarray(rates).T, strict=True)
        noise = np.sqrt(1 + share / (1 - share))
        found[f"{fmr:g}"] = {
            "people_of": [len(names), share],
            "splits": len(rates),
            "expected": 1 - NormalDist().cdf(NormalDist().inv_cdf(0.95) / noise),
            **{kind: _rates(each, fmr) for kind, each in told},
        }
    return found


def _across(rows: np.ndarray, people: People) -> PairScores:
    images, labels = np.arange(len(rows)), people.labels
    return pairs_between(
        rows,
        labels,
        people.new,
        labels,
        gallery_images=images,
        probe_images=images,
        tail_limit=TAIL,
    )


def _limit(rows: np.ndarray, people: People, fmr: float) -> float | None:
    found = threshold_at(_across(rows, people), fmr, dataset="lfw-dev", model="bridged")
    return None if isinstance(found, Insufficient) else found.value


def _rate(rows: np.ndarray, people: People, limit: float) -> float:
    return false_match_rate(_across(rows, people), limit)


def _rates(rates: np.ndarray, fmr: float) -> dict[str, float]:
    return {
        "over_target": float((rates > fmr).mean()),
        "median_fmr": float(np.median(rates)),
        "largest_fmr": float(rates.max()),
    }


def averaged(bridge: Bridge, people: People, mapped: np.ndarray) -> dict[str, Any]:
    """A person's first picture is the probe, the others are enrolled: TAR between people."""
    _, codes = np.unique(people.labels, return_inverse=True)
    several = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    several = [rows for rows in several if len(rows) >= 3]
    probes = people.new[[rows[0] for rows in several]]
    galleries = {
        "one picture": [mapped[rows[1:2]] for rows in several],
        "each picture": [mapped[rows[1:]] for rows in several],
        "mean behind the bridge": [unit(mapped[rows[1:]].mean(0)[None]) for rows in several],
        "mean before the bridge": [
            bridge.apply(unit(people.old[rows[1:]].mean(0)[None])) for rows in several
        ],
        "each and the mean": [
            np.concatenate([mapped[rows[1:]], unit(mapped[rows[1:]].mean(0)[None])])
            for rows in several
        ],
        "each drawn to the mean": [
            bridge.apply(people.old[rows[1:]] + people.old[rows[1:]].mean(0)) for rows in several
        ],
        "native, each picture": [people.new[rows[1:]] for rows in several],
        "native, mean": [unit(people.new[rows[1:]].mean(0)[None]) for rows in several],
    }
    ways = [galleries[kind] for kind in ("each picture", "each drawn to the mean")]
    return {
        "people": len(several),
        **{k: _tars(v, probes) for k, v in galleries.items()},
        "FMR of drawn ones at the others' threshold": _fmr_at(*ways, probes),
    }


def _fmr_at(
    each: list[np.ndarray], moved: list[np.ndarray], probes: np.ndarray
) -> list[list[float]]:
    """Per comparison: that of the templates as they are, and drawn, at one threshold."""
    owner = np.repeat(np.arange(len(each)), [len(rows) for rows in each])
    different = owner[:, None] != np.arange(len(probes))[None]
    plain, other = (np.concatenate(rows) @ probes.T for rows in (each, moved))
    limits = [np.quantile(plain[different], 1 - fmr) for fmr in FMRS[:2]]
    return [
        [float((scores[different] > limit).mean()) for scores in (plain, other)] for limit in limits
    ]


def _tars(gallery: list[np.ndarray], probes: np.ndarray) -> list[float]:
    best = np.stack([(rows @ probes.T).max(axis=0) for rows in gallery])
    genuine, impostor = np.diag(best), np.sort(best[~np.eye(len(best), dtype=bool)])
    limits = [impostor[-1 - int(fmr * len(impostor))] for fmr in FMRS]
    return [round(float((genuine > limit).mean()), 5) for limit in limits]


def measured(old: str, new: str, options: argparse.Namespace) -> dict[str, Any]:
    utk, lfw = (
        [unit(np.load(options.cache / f"{what}.{name}.npy")) for name in (old, new)]
        for what in ("utk", "lfw")
    )
    labels = np.load(options.cache / "lfw.labels.npy")
    third, _ = split_subjects(labels, 7, share=1 / 3)  # on whom constants were chosen
    people, everybody = People(*lfw, labels), np.ones(len(labels), bool)
    ends, began = (end(old, utk[0]), end(new, utk[1])), time.process_time()
    bridge = fitted_bridge(*ends, Pairs([utk[0]], [utk[1]]), kind=options.kind).bridge
    fitted = time.process_time()
    mapped = bridge.apply(people.old)
    covered = coverage(bridge, people, options.splits, options.fmrs)
    return {
        "facts": {**bridge.facts, "cpu_seconds": round(fitted - began, 1)},
        "cpu_seconds": round(time.process_time() - fitted, 1),
        "kept": kept_on(mapped, people, everybody)["kept"],
        "others kept": kept_on(mapped, people.only(~third), ~third)["kept"],
        "several pictures": averaged(bridge, people, mapped),
        "coverage": covered,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path, help="of embeddings")
    parser.add_argument("--splits", type=int, default=60)
    parser.add_argument("--pair", nargs=2, action="append", metavar=("OLD", "NEW"))
    parser.add_argument("--kind", default="auto")
    parser.add_argument("--fmrs", type=float, nargs="*", default=list(SPLITS))
    options = parser.parse_args()
    known = RESULTS / "bridge_coverage.json"
    found = {"pairs": json.loads(known.read_text())["pairs"] if known.is_file() else {}}
    for old, new in options.pair or permutations(MODELS, 2):
        stated = provenance("numpy")
        told = measured(old, new, options)
        found["pairs"][f"{old} > {new}"] = {**told, "provenance": stated}
        print(old, new, told["coverage"], flush=True)
        write_result("bridge_coverage", {**found, "fmrs": list(GOALS)})


if __name__ == "__main__":
    main()
