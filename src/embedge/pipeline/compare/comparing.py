"""Methods side by side: the same faces, teacher, steps and seeds, judged on the same strangers."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedge.calibration.intervals.lead import TarOfPeople, clustered_interval, lead
from embedge.files import write_json
from embedge.pipeline.compare.judging import METRICS, Judge, Rounds, rounds_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import verification_sets
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.shaping import learning_stages, school_of

__all__ = ["Contestant", "compare_methods", "shown_fmr"]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A method and the recipe that it follows, under the name that the table gives them."""

    name: str
    method: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class _Result:
    """Every seed of one contestant."""

    runs: list[dict[str, Any]]
    rounds: list[Rounds]

    def tars(self, metric: str, key: str) -> list[float] | None:
        """None where the data could not carry a figure."""
        found = [one[metric]["tar"][key] if one[metric] else None for one in self.runs]
        known = [float(tar) for tar in found if tar is not None]
        return known if len(known) == len(found) else None

    def mean(self, metric: str, key: str) -> TarOfPeople:
        """Of the seeds: they share the comparisons."""
        found = [one[f"{metric}/{key}"] for one in self.rounds]
        return TarOfPeople(
            found[0].comparisons,
            np.mean([one.accepted for one in found], axis=0),
            np.mean([one.rounds for one in found], axis=0),
        )


def compare_methods(
    run: Run, recipe: Recipe, methods: Sequence[str | Contestant], seeds: Sequence[int]
) -> dict[str, Any]:
    """Train every method with every seed and judge it; everything is kept and reused.

    The people and the teacher are those of `recipe`, whatever else a contestant's own says.
    """
    verification_sets(recipe)  # a set that is unfit is told before anything is trained
    school, original = school_of(run, recipe)
    contestants = [
        Contestant(given, given, recipe) if isinstance(given, str) else given for given in methods
    ]
    watched = any(one.recipe.student.train.evaluate_every for one in contestants)
    judge = Judge(run, recipe, held_out_stage(run, recipe), watched)
    results = {}
    for one in contestants:
        runs, rounds = [], []
        for seed in seeds:
            run.progress.say(f"— {one.name}, seed {seed}")
            own = _with_seed(one.recipe, seed, recipe)
            stages = learning_stages(run, own, one.method, school, original)
            judged = judge.student(one.method, own, stages["student"], stages["teacher"])
            names = stages["head"].facts.get("names") if "head" in stages else None
            shared = {"shared_head": names} if names else {}
            seconds = _seconds(stages["student"])
            runs.append({"seed": seed, **judged.facts, **shared, "train_s": seconds})
            rounds.append(rounds_of(judged))
        results[one.name] = _Result(runs, rounds)
    found = {
        "recipe": recipe.to_json(),
        "seeds": list(seeds),
        "teacher": judge.teacher(school.teacher),
        "methods": _told(recipe, results),
    }
    write_json(run.folder / "comparison.json", found)
    return found


def shown_fmr(recipe: Recipe) -> float:
    """The false match rate that tables and plots are drawn at."""
    wanted = recipe.evaluate
    return wanted.gate_fmr if wanted.gate_fmr in wanted.fmrs else wanted.fmrs[0]


def _with_seed(own: Recipe, seed: int, common: Recipe) -> Recipe:
    """The student's seed; whose faces they are is for all the same."""
    distill = own.distill.model_copy(update={"baseline": False})
    mine = {name: getattr(own.data, name) for name in ("flip", "verification")}
    data = common.data.model_copy(update=mine)
    return own.model_copy(update={"seed": seed, "distill": distill, "data": data})


def _seconds(stage: Stage) -> float:
    return float(json.loads((stage.folder / "stage.json").read_text())["seconds"])


def _told(recipe: Recipe, results: dict[str, _Result]) -> dict[str, Any]:
    keys = [f"{fmr:g}" for fmr in recipe.evaluate.fmrs]
    found: dict[str, Any] = {
        name: {"runs": result.runs, "summary": {}, "behind": {}} for name, result in results.items()
    }
    for metric in METRICS:
        best = {key: _best(results, metric, key) for key in keys}
        for name, result in results.items():
            found[name]["summary"][metric] = {key: _spread(result, metric, key) for key in keys}
            found[name]["behind"][metric] = {
                key: _behind(result, best[key], metric, key) for key in keys
            }
    return found


def _best(results: dict[str, _Result], metric: str, key: str) -> _Result | None:
    known = [result for result in results.values() if result.tars(metric, key)]
    return max(known, key=lambda one: statistics.fmean(one.tars(metric, key) or []), default=None)


def _spread(result: _Result, metric: str, key: str) -> dict[str, Any] | None:
    """Mean and standard deviation over the seeds, and the interval of the mean over people."""
    tars = result.tars(metric, key)
    if not tars:
        return None
    mean, people = statistics.fmean(tars), result.runs[0][metric]["people"]
    interval = clustered_interval(mean, result.mean(metric, key).rounds, people)
    return {
        "mean": mean,
        "sd": statistics.stdev(tars) if len(tars) > 1 else None,
        "n": len(tars),
        "low": interval.low,
        "high": interval.high,
    }


def _behind(result: _Result, best: _Result | None, metric: str, key: str) -> dict[str, Any] | None:
    """How far the best is ahead, on the same people; and in how many of the seeds."""
    tars = result.tars(metric, key)
    if best is None or best is result or not tars:
        return None
    ahead = best.tars(metric, key) or []
    found = lead(best.mean(metric, key), result.mean(metric, key))
    seeds = sum(first > second for first, second in zip(ahead, tars))
    return {**found.to_json(), "seeds": seeds, "certain": found.certain and seeds == len(tars)}
