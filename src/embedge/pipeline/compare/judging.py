"""What students are worth on strangers: error rates, and those of resampled people."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject, bare_rates, scores_of
from embedge.calibration.intervals.lead import TarOfPeople, tar_of_people
from embedge.calibration.people.splits import RULES, roles_of
from embedge.calibration.rates import OperatingPoint
from embedge.calibration.scores import PairScores
from embedge.pipeline.compare.result import Rates
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.students import load_student
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.runtime.encoders import unit_rows
from embedge.train.data import FaceSet
from embedge.train.embed import embed_faces
from embedge.typed import plain, structured

__all__ = ["Rounds", "Strangers", "rounds_of"]

# By metric and FMR; a round of the bootstrap has the same people in all
Rounds = dict[str, TarOfPeople]

_ROUNDS = "rounds.safetensors"
_KEPT = ("comparisons", "accepted", "rounds")


@dataclass(frozen=True, slots=True)
class Strangers:
    """Held-out people, by whom every method is judged.

    Where some student is `checked`, some strangers choose checkpoints: these judge nobody.
    """

    run: Run
    recipe: Recipe
    held_out: Stage
    checked: bool

    def teacher(self, stage: Stage) -> Rates:
        def work(_: Path) -> dict[str, Any]:
            taught, labels = self._taught(stage), self.labels()
            return plain(self._rates(scores_of(taught, taught, labels)))  # type: ignore[no-any-return]

        judged = self.run.stage("judged-teacher", self._inputs(), [self.held_out, stage], work)
        return structured(Rates, judged.facts)

    def student(self, name: str, recipe: Recipe, student: Stage, teacher: Stage) -> Stage:
        def work(folder: Path) -> dict[str, Any]:
            taught, mine = self._taught(teacher), self._learnt(name, recipe, student)
            scores: dict[str, PairScores | None] = {
                metric: scores_of(gallery, mine, self.labels())
                if gallery.rows.shape == mine.rows.shape
                else None
                for metric, gallery in (("student", mine), ("cross-space", taught))
            }
            save_file(self._rounds(scores), folder / _ROUNDS)
            return {metric: known and plain(self._rates(known)) for metric, known in scores.items()}

        after = [self.held_out, student, teacher]
        return self.run.stage(f"judged-{name}", {**self._inputs(), "rounds": 2}, after, work)

    def _inputs(self) -> dict[str, Any]:
        fmrs = list(self.recipe.evaluate.fmrs)
        return {"fmrs": fmrs, "split": [self.recipe.data.seed, RULES] if self.checked else None}

    def _test(self, faces: FaceSet) -> NDArray[np.bool_]:
        if not self.checked:
            return np.ones(len(faces), bool)
        seed = self.recipe.data.seed
        return roles_of(faces.labels, seed, choosing=True, thresholds=False).judge

    def labels(self) -> NDArray[np.int64]:
        """Who is on every picture that is judged by."""
        faces = FaceSet.load(self.held_out.folder)
        return faces.labels[self._test(faces)]

    def _taught(self, stage: Stage) -> Subject:
        faces = FaceSet.load(self.held_out.folder)
        rows = teacher_of(stage).embed(faces, what="strangers", progress=self.run.progress)
        return Subject(Side("teacher"), unit_rows(rows)[self._test(faces)])

    def _learnt(self, name: str, recipe: Recipe, stage: Stage) -> Subject:
        faces, network = FaceSet.load(self.held_out.folder), load_student(recipe, stage)
        what = f"strangers, {name}"
        rows = embed_faces(network, faces, what=what, progress=self.run.progress)
        return Subject(Side("student"), unit_rows(rows)[self._test(faces)])

    def _rounds(self, scores: dict[str, PairScores | None]) -> dict[str, NDArray[np.float64]]:
        found = dict[str, NDArray[np.float64]]()
        for metric, known in scores.items():
            if known is None:
                continue
            for fmr, point in bare_rates(known, self.recipe.evaluate.fmrs).points.items():
                if isinstance(point, OperatingPoint):
                    one = tar_of_people(known, point)
                    found |= {f"{metric}/{fmr:g}/{name}": getattr(one, name) for name in _KEPT}
        return found

    def _rates(self, scores: PairScores) -> Rates:
        return Rates.of(bare_rates(scores, self.recipe.evaluate.fmrs))


def rounds_of(judged: Stage) -> Rounds:
    kept, rates = judged.opened(_ROUNDS, load_file), judged.facts.items()
    shown = [(metric, known["tar"].items()) for metric, known in rates if known]
    keys = [f"{metric}/{fmr}" for metric, tar in shown for fmr, one in tar if one is not None]
    return {key: TarOfPeople(**{name: kept[f"{key}/{name}"] for name in _KEPT}) for key in keys}
