"""FMR within and between groups of UTKFace: 280 million pairs, block by block.

    python benchmarks/group_differentials.py --real REAL [--cache DIR] [--pictures 23695]

UTKFace has ages, sexes and races but no identities: each picture counts as a person of its own,
so people who are there twice count as false matches, and every rate is too high by them.
The thresholds are set on the people of `lfw-dev`.
"""

import argparse
import csv
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from provenance import provenance, write_result

from embedge.calibration.differentials.crossed import CrossedRate, crossed_rates, false_matches
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.pairs import pairs_within
from embedge.calibration.protocols.folders import people_in_folders
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.threshold import Threshold
from embedge.typed import plain

BOUNDS = {"peak_gb": 2.0}
FMRS = (1e-3, 1e-4)
_SEX = {"0": "male", "1": "female"}
_RACE = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "other"}
_AGES = ((0, 9), (10, 19), (20, 39), (40, 59), (60, 200))
Attribute = tuple[NDArray[np.int64], tuple[str, ...]]


def labelled(real: Path, pictures: int) -> tuple[list[str], dict[str, list[str]]]:
    """Names, and of every attribute the value of each picture; what is unknown is empty."""
    with (real / "utk-labels.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))[:pictures]
    sex = [_SEX.get(row["gender"], "") for row in rows]
    race = [_RACE.get(row["race"], "") for row in rows]
    both = [f"{a} {b}" if a and b else "" for a, b in zip(race, sex)]
    age = [_band(int(row["age"])) for row in rows]
    values = {"sex": sex, "race": race, "age": age, "race and sex": both}
    return [row["file"] for row in rows], values


def _band(age: int) -> str:
    low, high = next(band for band in _AGES if band[0] <= age <= band[1])
    return f"{low}+" if high > 120 else f"{low}–{high}"


def coded(values: list[str]) -> Attribute:
    names = sorted(set(values) - {""})
    return np.array([names.index(one) if one else -1 for one in values]), tuple(names)


def rows_of(faces: FaceFiles, model: Path, cache: Path | None) -> Float32:
    opened = opened_model(str(model))
    with opened.encoder as encoder:
        found = embedded(faces, encoder, cache=cache)
    if found.failures:
        raise SystemExit(f"{len(found.failures)} pictures could not be read")
    return found.embeddings


def thresholds(real: Path, model: Path, cache: Path | None) -> list[Threshold]:
    faces, labels = people_in_folders(real / "lfw-dev", per_person=8, at_least=2)
    scores = pairs_within(rows_of(faces, model, cache), labels)
    found = [threshold_at(scores, fmr, dataset="lfw-dev", model=model.stem) for fmr in FMRS]
    return [one for one in found if not isinstance(one, Insufficient)]


def told(rates: tuple[CrossedRate, ...]) -> dict[str, Any]:
    """The worst group beside the best, and every pair of groups."""
    within = sorted(
        (one.fmr.rate, one.fmr.low, one.fmr.high, one.one)
        for one in rates
        if one.one == one.other and one.fmr is not None
    )
    (least, _, high, best), (most, low, _, worst) = within[0], within[-1]
    return {
        "worst": worst,
        "best": best,
        "ratio": most / least if least else None,
        "at_least": max(1.0, low / high),
        "pairs_of_groups": plain(rates),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="the folder of real faces")
    parser.add_argument("--model", default="w600k_mbf")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--pictures", type=int, default=10**6)
    options = parser.parse_args()
    model = options.real / "models" / f"{options.model}.onnx"
    names, values = labelled(options.real, options.pictures)
    limits = thresholds(options.real, model, options.cache)
    rows = rows_of(FaceFiles(options.real / "utk", names), model, options.cache)
    began, used = time.perf_counter(), time.process_time()
    attributes = {name: coded(each) for name, each in values.items()}
    everybody = {"everybody": (np.zeros(len(rows), np.int64), ("all",))} | attributes
    counted = false_matches(
        rows, np.arange(len(rows)), list(everybody.values()), [one.value for one in limits]
    )
    rates = {
        f"{limit.fmr_target:g}": {
            name: told(crossed_rates(part, number)) for name, part in zip(everybody, counted)
        }
        for number, limit in enumerate(limits)
    }
    result = {
        "pictures": len(rows),
        "pairs": len(rows) * (len(rows) - 1) // 2,
        "people": "none are known: each picture counts as a person of its own",
        "minutes": round((time.perf_counter() - began) / 60, 2),
        "cpu_minutes": round((time.process_time() - used) / 60, 2),
        "thresholds": plain(limits),
        "fmr": rates,
        "measured": {"peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3)},
        "bounds": BOUNDS,
    }
    result["held"] = {"peak_gb": result["measured"]["peak_gb"] <= BOUNDS["peak_gb"]}
    write_result("group_differentials", {"provenance": provenance("onnxruntime"), **result})
    short = {name: one["everybody"]["pairs_of_groups"] for name, one in rates.items()}
    print(json.dumps({**result, "fmr": short}, indent=2))


if __name__ == "__main__":
    main()
