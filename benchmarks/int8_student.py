"""What an activation costs, and what training inside INT8 gives back, on distilled students.

    python benchmarks/int8_student.py [--out RUN_FOLDER] [--steps 500] [--qat-steps 100] [--seeds 2]

The shipped teacher, rendered faces, TH-KD; only `student.activation` differs. Judged on rendered
people nobody was trained on: the student's probes in the teacher's gallery, and the student alone.

Every student of the first seed is then quantised after training (PTQ), and trained for a short time
inside INT8 under the frozen shared head (QAT, the recipe's section `int8.qat`): in both targets as
they ship, and in a hard setting in which PTQ loses something: `trt` with weights of four bits and
nothing in float. A float student trained for as many more steps, the `twin`, stands beside them, so
that nobody takes more training for a gift of QAT. `gained_by_qat` over `lost_by_ptq` would do that:
a short distillation is far from its end. `recovered` counts only what more training does not
explain: one minus what QAT lacks to the twin, over what PTQ lacked to the student it was made from.

Stopped and called again it goes on where it was.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
from numpy.typing import NDArray
from provenance import provenance, write_result

from embedge.calibration.evaluation.judge import cosines_of
from embedge.calibration.pairs import pairs_between, pairs_within
from embedge.calibration.rates import Insufficient, operating_point
from embedge.calibration.scores import PairScores
from embedge.export.graph.running import embeddings_of
from embedge.export.int8.qdq import calibrated_graph, quantised, write_for
from embedge.export.int8.training.qat import trained_graph
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Run, Stage, open_run
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import Teaching, student_stage
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.pipeline.stages.ship.artifacts import calibrate_stage, onnx_stage
from embedge.pipeline.stages.ship.int8 import int8_stage, short_lesson
from embedge.progress import Progress
from embedge.runtime.encoders import normalised
from embedge.train.data import FaceSet

ACTIVATIONS = ("prelu", "relu", "relu6")
METHOD = "th-kd"
FMRS = (1e-2, 1e-3, 1e-4)
SHOWN = "0.001"
HARD = "int8-trt, weights of 4 bits, nothing in float"
HARD_BITS = 4
GOAL = 0.5
LEAST_COSINE, LEAST_POINTS = 2e-4, 0.1  # where less was lost, a share of it means nothing

Rows = NDArray[np.float32]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/int8-student"))
    parser.add_argument("--activations", nargs="+", choices=ACTIVATIONS, default=ACTIVATIONS)
    parser.add_argument("--seeds", type=int, default=2, help="of students; INT8 takes the first")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--qat-steps", type=int, default=100)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--people", type=int, default=400, help="to be judged on")
    options = parser.parse_args()
    recipe = _recipe(options)
    with open_run(options.out, recipe.to_json(), Progress(), update=True) as run:
        bench = Bench(run, recipe)
        found = {name: bench.activation(name, options.seeds) for name in options.activations}
    facts = {
        "provenance": provenance("torch", "onnx", "onnxruntime"),
        "recipe": recipe.to_json(),
        "judged_on": {"people": options.people, "pictures": len(bench.faces)},
        "goal_recovered": GOAL,
    }
    for name, one in found.items():
        one["cost"] = _cost(one, found[options.activations[0]])
        print(f"{name}: {_said(one)}")
    write_result("int8_student", {**facts, "activations": found})
    return 0


def _recipe(options: argparse.Namespace) -> Recipe:
    values = {
        "data.held_out": options.people,
        "data.held_out_per_identity": 8,
        "student.width": options.width,
        "student.train.steps": options.steps,
        "int8.qat.steps": options.qat_steps,
        "export.precisions": "[fp32, int8-cpu, int8-trt]",
    }
    return load_recipe("compare", [part for k, v in values.items() for part in (f"--{k}", str(v))])


@dataclass(frozen=True, slots=True)
class Made:
    """Stages of one student."""

    recipe: Recipe
    student: Stage
    onnx: Stage

    @property
    def graph(self) -> Path:
        return self.onnx.folder / "student.fp32.onnx"


class Bench:
    """The lesson, strangers, and what the teacher says about them."""

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self.run, self.recipe = run, recipe
        self.school, _ = school_of(run, recipe)
        self.held_out = held_out_stage(run, recipe)
        self.faces = FaceSet.load(self.held_out.folder)
        self.taught = self._taught()

    def activation(self, name: str, seeds: int) -> dict[str, Any]:
        students = [self._student(name, seed) for seed in range(seeds)]
        rows = [self._embedded(one.onnx, one.graph) for one in students]
        return {
            "students": [self._judged(one) for one in rows],
            "int8": self._int8(students[0], rows[0]),
        }

    def _student(self, activation: str, seed: int) -> Made:
        shape = self.recipe.student.model_copy(update={"activation": activation})
        recipe = self.recipe.model_copy(update={"student": shape, "seed": seed})
        student = student_stage(self.run, recipe, METHOD, self.school)
        faces, teacher = self.school.faces, self.school.teacher
        return Made(recipe, student, onnx_stage(self.run, recipe, teacher, student, faces))

    def _int8(self, made: Made, whole: Rows) -> dict[str, Any]:
        before = self._judged(whole)
        twin = self._judged(self._of(self._trained(made, "twin")))
        found: dict[str, Any] = {"fp32": before, "twin": twin, "settings": {}}
        for name, after, trained in self._settings(made):
            rows = [self._embedded(stage, path) for stage, path in (after, trained)]
            ptq, qat = (self._judged(one, whole) for one in rows)
            figures = _recovered(before, twin, ptq, qat)
            found["settings"][name] = {"ptq": ptq, "qat": qat, **figures}
        return found

    def _settings(self, made: Made) -> Iterator[tuple[str, Any, Any]]:
        """(name, (stage, file) after training, (stage, file) trained inside)."""
        plain = _without_training(made.recipe)
        pictures = calibrate_stage(self.run, made.recipe, self.school.faces)
        stages = [
            int8_stage(self.run, recipe, made.onnx, pictures, self.school)
            for recipe in (plain, made.recipe)
        ]
        for name in ("int8-cpu", "int8-trt"):
            yield name, *((stage, stage.folder / f"student.{name}.onnx") for stage in stages)
        hard = [self._trained(made, kind) for kind in ("hard", "hard-trained")]
        yield HARD, *((stage, stage.folder / "student.onnx") for stage in hard)

    def _trained(self, made: Made, kind: str) -> Stage:
        """The hard setting after training or trained inside; or the float twin."""
        run, recipe = self.run, made.recipe
        teaching = Teaching.of(run, recipe, METHOD, self.school)
        pictures = calibrate_stage(run, recipe, self.school.faces)

        def work(folder: Path) -> dict[str, Any]:
            images = np.load(pictures.folder / "images.npy")
            calibrated = calibrated_graph(made.graph, images, "trt")
            calibrated.last.clear()
            curves: dict[str, Any] = {}
            fit = short_lesson(run, recipe, teaching.lesson(), kind, folder, curves)
            if kind == "hard":
                graph = quantised(calibrated, images, "mse", weight_bits=HARD_BITS)
            else:
                nodes = [node.name for node in calibrated.graph.nodes]
                kept = frozenset(nodes if kind == "twin" else [])
                graph = trained_graph(calibrated, images, fit=fit, kept=kept, weight_bits=HARD_BITS)
            write_for(graph, "trt", folder / "student.onnx")
            return {"curves": curves}

        inputs = {"qat": recipe.int8.qat.model_dump(), "lesson": teaching.inputs}
        after = [made.onnx, pictures, *teaching.stages]
        bits = {} if kind == "twin" else {"bits": HARD_BITS}
        lesson = {} if kind == "hard" else inputs
        return run.stage(f"int8-{kind}", {**bits, **lesson}, after, work)

    def _taught(self) -> Rows:
        def work(folder: Path) -> dict[str, Any]:
            known = teacher_of(self.school.teacher)
            progress = self.run.progress
            rows = known.embed(self.faces, what="strangers, teacher", progress=progress)
            np.save(folder / "rows.npy", rows)
            return {}

        stage = self.run.stage("taught", {}, [self.held_out, self.school.teacher], work)
        rows: Rows = normalised(np.load(stage.folder / "rows.npy"))
        return rows

    def _of(self, stage: Stage) -> Rows:
        return self._embedded(stage, stage.folder / "student.onnx")

    def _embedded(self, made: Stage, graph: Path) -> Rows:
        def work(folder: Path) -> dict[str, Any]:
            np.save(folder / "rows.npy", embeddings_of(graph, np.asarray(self.faces.images)))
            return {}

        stage = self.run.stage("embedded", {"graph": graph.name}, [made, self.held_out], work)
        rows: Rows = normalised(np.load(stage.folder / "rows.npy"))
        return rows

    def _judged(self, rows: Rows, whole: Rows | None = None) -> dict[str, Any]:
        labels, places = self.faces.labels, np.arange(len(rows))
        sides = {"gallery_images": places, "probe_images": places}
        across = pairs_between(self.taught, labels, rows, labels, **sides)
        found = {
            "cosine_to_teacher": cosines_of(self.taught, rows).mean,
            "cross_space": _rates(across),
            "alone": _rates(pairs_within(rows, labels)),
        }
        if whole is not None:
            found["cosine_to_fp32"] = asdict(cosines_of(whole, rows))
        return found


def _without_training(recipe: Recipe) -> Recipe:
    qat = recipe.int8.qat.model_copy(update={"steps": 0})
    return recipe.model_copy(update={"int8": recipe.int8.model_copy(update={"qat": qat})})


def _rates(scores: PairScores) -> dict[str, Any]:
    points = {f"{fmr:g}": operating_point(scores, fmr) for fmr in FMRS}
    known = {name: p for name, p in points.items() if not isinstance(p, Insufficient)}
    return {
        "tar": {name: 100 * point.tar for name, point in known.items()},
        "threshold": {name: point.threshold for name, point in known.items()},
        "genuine": len(scores.genuine),
        "impostor": scores.impostors,
    }


def _figures(judged: dict[str, Any]) -> dict[str, float]:
    """What is held against each other; more is better."""
    return {
        "cosine to teacher": judged["cosine_to_teacher"],
        f"cross-space TAR@{SHOWN}": judged["cross_space"]["tar"][SHOWN],
        f"TAR@{SHOWN} alone": judged["alone"]["tar"][SHOWN],
    }


def _recovered(before: Any, twin: Any, ptq: Any, qat: Any) -> dict[str, Any]:
    sides = [_figures(one) for one in (before, twin, ptq, qat)]
    figures = dict[str, Any]()
    for name in sides[0]:
        whole, longer, after, trained = (side[name] for side in sides)
        lost = whole - after
        least = LEAST_COSINE if "cosine" in name else LEAST_POINTS
        figures[name] = {
            "lost_by_ptq": lost,
            "gained_by_qat": trained - after,
            "gained_by_twin": longer - whole,
            "recovered": 1 - (longer - trained) / lost if lost > least else None,
        }
    drifts = (one["cross_space"]["threshold"][SHOWN] for one in (ptq, qat))
    base = before["cross_space"]["threshold"][SHOWN]
    ptq_drift, qat_drift = (drift - base for drift in drifts)
    held = figures["cosine to teacher"]["recovered"]
    return {
        "figures": figures,
        "threshold_drift": {"ptq": ptq_drift, "qat": qat_drift},
        "held": held is None or held >= GOAL,
    }


def _cost(one: dict[str, Any], against: dict[str, Any]) -> dict[str, Any]:
    """Points of TAR lost against the first activation, seed by seed."""
    cost = dict[str, Any]()
    for space in ("cross_space", "alone"):
        pairs = zip(against["students"], one["students"])
        lost = [a[space]["tar"][SHOWN] - b[space]["tar"][SHOWN] for a, b in pairs]
        cost[space] = {"lost": lost, "mean": statistics.fmean(lost)}
    return cost


def _said(one: dict[str, Any]) -> str:
    tars = ", ".join(f"{s['cross_space']['tar'][SHOWN]:.2f}" for s in one["students"])
    lines = [f"cross-space TAR@{SHOWN} {tars} %, lost {one['cost']['cross_space']['mean']:+.2f}"]
    for name, found in one["int8"]["settings"].items():
        near = found["ptq"]["cosine_to_fp32"]
        lines.append(f"  {name}: PTQ cosine {near['mean']:.5f} p1 {near['p1']:.5f}")
        for figure, told in found["figures"].items():
            back = "-" if told["recovered"] is None else f"{told['recovered']:.0%}"
            lost = f"lost {told['lost_by_ptq']:+.4f}, gained {told['gained_by_qat']:+.4f}"
            lines.append(f"    {figure}: {lost}, recovered {back}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
