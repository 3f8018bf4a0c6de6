"""The INT8 stage: after training, or with some training inside INT8 arithmetic.

Training continues the lesson of the student under the frozen shared head, so that what INT8 lost
comes back without leaving the teacher's space.
"""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from embedge.calibration.people.splits import RULES
from embedge.errors import EmbedgeError
from embedge.export.int8.budget.precision_plan import Allowance
from embedge.export.int8.placement import INT8
from embedge.export.int8.qdq import Quantise, qdq_from_onnx, quantised
from embedge.export.int8.training.qat import Fit, trained_graph
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.checks import roles_in
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.students import Teaching
from embedge.train.data import FaceSet
from embedge.train.distil import Lesson, train_student
from embedge.train.loop import ranks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import Curves

__all__ = ["float_layers", "int8_stage", "short_lesson"]


def int8_stage(run: Run, recipe: Recipe, onnx: Stage, calibration: Stage, school: School) -> Stage:
    """One graph per target, and beside each the plan of what stays in float."""
    wanted = [name for name in recipe.export.precisions if name in INT8]
    after, inputs = [onnx, calibration], dict[str, Any](precisions=wanted)
    teaching = held_out = None
    if recipe.int8.qat.steps:
        teaching = _teaching(run, recipe, school)
        lesson = {"method": teaching.method, **teaching.inputs}
        inputs["qat"] = {**recipe.int8.qat.model_dump(), "lesson": lesson}
        after += teaching.stages
    if recipe.int8.budget is not None:
        held_out = held_out_stage(run, recipe)
        inputs["budget"] = [recipe.int8.budget, recipe.evaluate.gate_fmr, recipe.data.seed, RULES]
        after.append(held_out)

    def work(folder: Path) -> dict[str, Any]:
        images = calibration.opened("images.npy", np.load)
        curves = dict[str, Curves]()
        budget = _budget(recipe, held_out)
        with run.progress.task("quantising", len(wanted)) as task:
            for name in wanted:
                quantise: Quantise = quantised
                if teaching is not None:
                    lesson, title = teaching.lesson(), f"INT8 for {name}"
                    fit = short_lesson(run, recipe, lesson, title, folder, curves)
                    quantise = partial(trained_graph, fit=fit)
                first = ranks.rank() == 0
                plan = qdq_from_onnx(
                    onnx.folder / "student.fp32.onnx",
                    images,
                    folder / f"student.{name}.onnx" if first else None,
                    target=INT8[name],
                    budget=budget,
                    quantise=quantise,
                )
                if first:
                    plan.write(_plan_path(folder, name))
                task.advance()
        return {"curves": curves}

    return run.stage("int8", inputs, after, work, together=teaching is not None)


def float_layers(int8: Stage, artifact: str) -> list[dict[str, Any]]:
    """Rows of the report: what an artifact computes in float, and why; none if it is not INT8."""
    path = _plan_path(int8.folder, artifact)
    layers: list[dict[str, Any]] = []
    if path.is_file():
        layers = json.loads(path.read_text())["float_layers"]
    return layers


def _plan_path(folder: Path, artifact: str) -> Path:
    return folder / f"student.{artifact}.plan.json"


def _teaching(run: Run, recipe: Recipe, school: School) -> Teaching:
    method = "th-kd" if recipe.distill.method == "sh-kd" else recipe.distill.method
    teaching = Teaching.of(run, recipe, method, school)
    if not teaching.shares:
        raise EmbedgeError(
            "E-QAT",
            f"{method} has no frozen shared head for INT8 to be trained under",
            remedy="Set int8.qat.steps to 0, or distil by th-kd, sh-kd or proxyless",
        )
    return teaching


def short_lesson(
    run: Run, recipe: Recipe, lesson: Lesson, name: str, folder: Path, curves: dict[str, Curves]
) -> Fit:
    """How a network is trained as the recipe's section `int8.qat` says."""
    wanted, student = recipe.int8.qat, recipe.student.train
    # a head of the student's own would start from noise here: the shared one takes its share
    weights = lesson.ingredients.weights.model_copy(update={"a": 1.0})
    lesson = replace(lesson, ingredients=replace(lesson.ingredients, weights=weights))
    schedule = Schedule(
        steps=wanted.steps,
        batch=wanted.batch,
        lr=wanted.lr,
        weight_decay=0.0,
        warmup=wanted.steps // 10,
        clip=student.clip,
        amp="fp32",
        checkpoint_every=student.checkpoint_every,
        workers=student.workers,
        device=student.device,
    )

    def fit(module: nn.Module) -> None:
        curves[name], _ = train_student(
            name, module, lesson, schedule, seed=recipe.seed, folder=folder, progress=run.progress
        )

    return fit


def _budget(recipe: Recipe, held_out: Stage | None) -> Allowance | None:
    if recipe.int8.budget is None or held_out is None:
        return None
    faces = FaceSet.load(held_out.folder)
    rows = roles_in(faces, recipe).choose
    some = np.asarray(faces.images[np.flatnonzero(rows)])
    return Allowance(recipe.int8.budget, recipe.evaluate.gate_fmr, some, faces.labels[rows])
