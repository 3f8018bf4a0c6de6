"""Methods side by side: the same faces, teacher, steps and seeds, judged on the same strangers."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import EqualError, OperatingPoint, equal_error, operating_point
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import split_subjects
from embedge.files import write_json
from embedge.pipeline.faces import held_out_stage
from embedge.pipeline.learning import teacher_of
from embedge.pipeline.shaping import learning_stages, school_of
from embedge.pipeline.stages import Run, Stage
from embedge.pipeline.students import load_student
from embedge.recipe import Recipe
from embedge.train.centres import Rows, unit
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces

__all__ = ["METRICS", "compare_methods", "shown_fmr", "table"]

METRICS = {
    "cross-space": "teacher's gallery, student's probe",
    "student": "student's gallery, student's probe",
}


@dataclass(frozen=True, slots=True)
class _Judge:
    """Strangers, and what comparing their pictures is asked for."""

    run: Run
    recipe: Recipe
    held_out: Stage

    def teacher(self, stage: Stage) -> dict[str, Any]:
        def work(folder: Path) -> dict[str, Any]:
            rows = self._taught(stage)
            faces, test = self._people()
            return self._rates(pairs_within(rows, faces.labels[test]))

        return self.run.stage("judged-teacher", self._inputs(), [self.held_out, stage], work).facts

    def student(self, name: str, student: Stage, teacher: Stage) -> dict[str, Any]:
        def work(folder: Path) -> dict[str, Any]:
            faces, test = self._people()
            network = load_student(self.recipe, student)
            what = f"strangers, {name}"
            rows = unit(embed_faces(network, faces, what=what, progress=self.run.progress))[test]
            return {
                "student": self._rates(pairs_within(rows, faces.labels[test])),
                "cross-space": self._across(self._taught(teacher), rows, faces.labels[test]),
            }

        after = [self.held_out, student, teacher]
        return self.run.stage(f"judged-{name}", self._inputs(), after, work).facts

    def _inputs(self) -> dict[str, Any]:
        fmrs = list(self.recipe.evaluate.fmrs)
        return {"fmrs": fmrs, "split": self.recipe.seed if self._watched else None}

    @property
    def _watched(self) -> bool:
        """Whether some of the strangers chose the checkpoints, and so may not judge them."""
        return self.recipe.student.train.evaluate_every > 0

    def _people(self) -> tuple[FaceSet, np.ndarray]:
        faces = FaceSet.load(self.held_out.folder)
        if not self._watched:
            return faces, np.ones(len(faces), bool)
        return faces, split_subjects(faces.labels, self.recipe.seed)[1]

    def _taught(self, stage: Stage) -> Rows:
        faces, test = self._people()
        rows = teacher_of(stage).embed(faces, what="strangers", progress=self.run.progress)
        return unit(rows)[test]

    def _across(self, gallery: Rows, probe: Rows, labels: np.ndarray) -> dict[str, Any] | None:
        if gallery.shape != probe.shape:
            return None
        images = np.arange(len(labels))
        pairs = pairs_between(
            gallery, labels, probe, labels, gallery_images=images, probe_images=images
        )
        return self._rates(pairs)

    def _rates(self, scores: PairScores) -> dict[str, Any]:
        points = {f"{fmr:g}": operating_point(scores, fmr) for fmr in self.recipe.evaluate.fmrs}
        equal = equal_error(scores)
        return {
            "tar": {k: p.tar if isinstance(p, OperatingPoint) else None for k, p in points.items()},
            "eer": equal.rate if isinstance(equal, EqualError) else None,
            "genuine": len(scores.genuine),
            "impostor": scores.impostors,
        }


def compare_methods(
    run: Run, recipe: Recipe, methods: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """Train every method with every seed and judge it; everything is kept and reused."""
    school, original = school_of(run, recipe)
    judge = _Judge(run, recipe, held_out_stage(run, recipe))
    found: dict[str, Any] = {}
    for method in methods:
        runs = []
        for seed in seeds:
            run.progress.say(f"— {method}, seed {seed}")
            one = _with_seed(recipe, seed)
            stages = learning_stages(run, one, method, school, original)
            judged = judge.student(method, stages["student"], stages["teacher"])
            runs.append({"seed": seed, **judged, "train_s": _seconds(stages["student"])})
        found[method] = {"runs": runs, "summary": _summary(recipe, runs)}
    result = {
        "recipe": recipe.to_json(),
        "seeds": list(seeds),
        "teacher": judge.teacher(school.teacher),
        "methods": found,
    }
    write_json(run.folder / "comparison.json", result)
    return result


def shown_fmr(recipe: Recipe) -> float:
    """The false match rate that tables and plots are drawn at."""
    wanted = recipe.evaluate
    return wanted.gate_fmr if wanted.gate_fmr in wanted.fmrs else wanted.fmrs[0]


def _with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The student's seed; the teacher and the people stay those of the recipe."""
    distill = recipe.distill.model_copy(update={"baseline": False})
    return recipe.model_copy(update={"seed": seed, "distill": distill})


def _seconds(stage: Stage) -> float:
    return float(json.loads((stage.folder / "stage.json").read_text())["seconds"])


def _summary(recipe: Recipe, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds, None where the data could not carry a figure."""
    return {
        metric: {
            f"{fmr:g}": _spread([_tar(one, metric, fmr) for one in runs])
            for fmr in recipe.evaluate.fmrs
        }
        for metric in METRICS
    }


def _tar(one: dict[str, Any], metric: str, fmr: float) -> float | None:
    rates = one[metric]
    return None if rates is None else rates["tar"][f"{fmr:g}"]


def _spread(values: list[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else 0.0
    return {"mean": statistics.fmean(known), "sd": deviation, "n": len(known)}


def table(result: dict[str, Any], fmr: float) -> str:
    """Methods by cross-space TAR, best first, in Markdown."""
    key = f"{fmr:g}"
    head = (
        f"| method | cross-space TAR@FMR {key} | student alone | seeds | s/student |\n"
        "|---|---|---|---|---|\n"
    )
    teacher = result["teacher"]["tar"][key]
    lines = [f"| *teacher alone* | | {_percent(teacher)} | | |"]
    for method, found in _ranked(result, key):
        cells = [_mean(found["summary"][metric][key]) for metric in METRICS]
        seconds = statistics.fmean(one["train_s"] for one in found["runs"])
        lines.append(
            f"| {method} | {cells[0]} | {cells[1]} | {len(found['runs'])} | {seconds:.0f} |"
        )
    return head + "\n".join(lines)


def _ranked(result: dict[str, Any], key: str) -> list[tuple[str, Any]]:
    def worth(item: tuple[str, Any]) -> float:
        spread = item[1]["summary"]["cross-space"][key]
        return spread["mean"] if spread else -1.0

    return sorted(result["methods"].items(), key=worth, reverse=True)


def _mean(spread: dict[str, float] | None) -> str:
    return "–" if spread is None else f"{100 * spread['mean']:.2f} ± {100 * spread['sd']:.2f} %"


def _percent(value: float | None) -> str:
    return "insufficient data" if value is None else f"{100 * value:.2f} %"
