"""Methods side by side: the same faces, teacher, steps and seeds, judged on the same strangers."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedge.calibration.intervals.lead import TarOfPeople, clustered_interval, lead
from embedge.files import write_json
from embedge.pipeline.compare.judging import Rounds, Strangers, rounds_of
from embedge.pipeline.compare.result import (
    METRICS,
    Behind,
    MethodFigures,
    MethodsComparison,
    Metric,
    Spread,
    StudentRun,
)
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

    runs: list[StudentRun]
    rounds: list[Rounds]

    def tars(self, metric: Metric, key: str) -> list[float] | None:
        """None where the data could not carry a figure."""
        found = [one.tar(metric, key) for one in self.runs]
        known = [tar for tar in found if tar is not None]
        return known if len(known) == len(found) else None

    def mean(self, metric: Metric, key: str) -> TarOfPeople:
        """Of the seeds: they share the comparisons."""
        found = [one[f"{metric}/{key}"] for one in self.rounds]
        return TarOfPeople(
            found[0].comparisons,
            np.mean([one.accepted for one in found], axis=0),
            np.mean([one.rounds for one in found], axis=0),
        )


def compare_methods(
    run: Run, recipe: Recipe, methods: Sequence[str | Contestant], seeds: Sequence[int]
) -> MethodsComparison:
    """Train every method with every seed and judge it; everything is kept and reused.

    The people and the teacher are those of `recipe`, whatever else a contestant's own says.
    """
    verification_sets(recipe)  # a set that is unfit is told before anything is trained
    contestants = [
        Contestant(given, given, recipe) if isinstance(given, str) else given for given in methods
    ]
    school, original = school_of(run, recipe, [one.method for one in contestants])
    checked = any(one.recipe.student.train.evaluate_every for one in contestants)
    strangers = Strangers(run, recipe, held_out_stage(run, recipe), checked)
    results = {}
    for one in contestants:
        runs, rounds = [], []
        for seed in seeds:
            run.progress.say(f"— {one.name}, seed {seed}")
            own = _with_seed(one.recipe, seed, recipe)
            stages = learning_stages(run, own, one.method, school, original)
            judged = strangers.student(one.method, own, stages["student"], stages["teacher"])
            head = stages["head"].facts if "head" in stages else {}
            found = {**judged.facts, "shared_head": head.get("names") or None}
            found |= {"seed": seed, "train_s": _seconds(stages["student"])}
            runs.append(StudentRun.from_json(found))
            rounds.append(rounds_of(judged))
        results[one.name] = _Result(runs, rounds)
    teacher = strangers.teacher(school.teacher)
    figures = _told(recipe, results)
    compared = MethodsComparison(recipe.to_json(), tuple(seeds), teacher, figures)
    write_json(run.folder / "comparison.json", compared.to_json())
    return compared


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


def _told(recipe: Recipe, results: dict[str, _Result]) -> dict[str, MethodFigures]:
    keys = [f"{fmr:g}" for fmr in recipe.evaluate.fmrs]
    best = {metric: {key: _best(results, metric, key) for key in keys} for metric in METRICS}
    return {
        name: MethodFigures(
            tuple(result.runs),
            {metric: {key: _spread(result, metric, key) for key in keys} for metric in METRICS},
            {
                metric: {key: _behind(result, best[metric][key], metric, key) for key in keys}
                for metric in METRICS
            },
        )
        for name, result in results.items()
    }


def _best(results: dict[str, _Result], metric: Metric, key: str) -> _Result | None:
    known = [result for result in results.values() if result.tars(metric, key)]
    return max(known, key=lambda one: statistics.fmean(one.tars(metric, key) or []), default=None)


def _spread(result: _Result, metric: Metric, key: str) -> Spread | None:
    tars, first = result.tars(metric, key), result.runs[0].rates[metric]
    if not tars or first is None:
        return None
    mean = statistics.fmean(tars)
    over_people = clustered_interval(mean, result.mean(metric, key).rounds, first.people)
    sd = statistics.stdev(tars) if len(tars) > 1 else None
    return Spread(mean, sd, len(tars), over_people.low, over_people.high)


def _behind(result: _Result, best: _Result | None, metric: Metric, key: str) -> Behind | None:
    tars = result.tars(metric, key)
    if best is None or best is result or not tars:
        return None
    ahead = best.tars(metric, key) or []
    found = lead(best.mean(metric, key), result.mean(metric, key))
    seeds = sum(first > second for first, second in zip(ahead, tars))
    certain = found.certain and seeds == len(tars)
    return Behind(found.difference, found.low, found.high, seeds, certain)
