"""The INT8 stage goes through the one front door, and its plan is read back for the report."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_face import DIM, small_face, smooth_pictures

from embedge.export.int8.placement import Target
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Stage, open_run
from embedge.pipeline.stages.ship import int8
from embedge.pipeline.stages.ship.int8 import float_layers, int8_stage
from embedge.progress import Progress
from embedge.runtime.contract import EmbeddingContract
from embedge.train.distil import Lesson
from embedge.train.head.margins import Margin
from embedge.train.methods import Ingredients

PICTURES = smooth_pictures(24)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, Stage]:
    """(a student's float graph, pictures to calibrate on), as the stages before leave them."""
    onnx, calibration = (tmp_path_factory.mktemp(name) for name in ("onnx", "calibration"))
    contract = EmbeddingContract(space="s" * 64, model="m" * 64, dim=DIM)
    onnx_from_student(small_face("relu"), contract, onnx / "student.fp32.onnx")
    np.save(calibration / "images.npy", PICTURES)
    return Stage("onnx", "o", onnx, {}), Stage("calibrate", "c", calibration, {})


def worked(made: tuple[Stage, Stage], folder: Path, *options: str) -> Stage:
    recipe = load_recipe("compare", ["--int8.qat.steps", "0", *options])
    with open_run(folder, recipe.to_json(), Progress(quiet=True), update=True) as run:
        return int8_stage(run, recipe, *made, school=None)


def test_each_target_is_what_the_front_door_writes(
    made: tuple[Stage, Stage], tmp_path: Path
) -> None:
    stage = worked(made, tmp_path / "run", "--export.precisions", "[fp32, int8-cpu, int8-trt]")
    targets: tuple[tuple[str, Target], ...] = (("int8-cpu", "cpu"), ("int8-trt", "trt"))
    for name, target in targets:
        source, out = made[0].folder / "student.fp32.onnx", tmp_path / f"{target}.onnx"
        plan = qdq_from_onnx(source, PICTURES, out, target=target)
        assert (stage.folder / f"student.{name}.onnx").read_bytes() == out.read_bytes()
        rows = float_layers(stage, name)
        assert [row["node"] for row in rows] == [layer.node for layer in plan.float_layers()]
    assert float_layers(stage, "fp32") == []
    assert stage.facts == {"curves": {}}


def test_a_budget_is_judged_on_people_who_choose_only(
    made: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    base = smooth_pictures(16, seed=5).astype(int)[:, None]
    noisy = np.clip(base + rng.normal(0, 12, (16, 4, 112, 112, 3)), 0, 255).astype(np.uint8)
    labels = np.repeat(np.arange(16), 4)
    faces = SimpleNamespace(images=noisy.reshape(-1, 112, 112, 3), labels=labels)
    held_out = Stage("held-out", "h", tmp_path, {})
    monkeypatch.setattr(int8, "held_out_stage", lambda *_: held_out)
    monkeypatch.setattr(int8, "FaceSet", SimpleNamespace(load=lambda _: faces))
    limits = ("--int8.budget", "50", "--evaluate.gate_fmr", "0.1")
    stage = worked(made, tmp_path / "run", "--export.precisions", "[fp32, int8-cpu]", *limits)
    plan = json.loads((stage.folder / "student.int8-cpu.plan.json").read_text())
    assert (plan["budget_points"], plan["reached"]) == (50, True)
    assert plan["all_int8"]["fmr"] == 0.1
    assert plan["all_int8"]["comparisons"] < 64 * 63 / 2  # not everybody


def test_training_inside_int8_goes_where_the_student_went(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = load_recipe("demo", ["--int8.qat.steps", "5", "--student.train.device", "cuda"])
    learnt = []

    def noted(*given: Any, **named: Any) -> tuple[dict[str, Any], None]:
        learnt.append(given[3])
        return {}, None

    monkeypatch.setattr(int8, "train_student", noted)
    head = torch.eye(3)
    lesson = Lesson("th-kd", Ingredients(3, 3, head, Margin(), recipe.distill), None, None)
    run: Any = SimpleNamespace(progress=Progress(quiet=True))
    int8.short_lesson(run, recipe, lesson, "INT8", tmp_path, {})(torch.nn.Linear(2, 2))
    (schedule,) = learnt
    assert (schedule.device, schedule.steps, schedule.epochs) == ("cuda", 5, None)
