"""Calibration pictures, which graphs there are, and engines that are skipped with a reason."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from embedge.export.engines.options import EngineOptions
from embedge.export.int8.calibration_set import choose
from embedge.files import sha256_file
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.ship import artifacts
from embedge.pipeline.stages.ship.artifacts import calibrate_stage, engines_stage, graphs_of
from embedge.progress import Progress


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run", Progress(quiet=True))


def test_calibration_takes_one_of_everybody_before_a_second(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.array([0] * 30 + [1] * 3 + [2] * 3 + [3])
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    faces = SimpleNamespace(labels=labels, images=images)
    monkeypatch.setattr(artifacts, "faces_of", lambda _: faces)
    recipe = load_recipe("compare", ["--data.calibration_images", "6"])
    stage = calibrate_stage(run, recipe, Stage("faces", "f", tmp_path, {}))
    taken = np.load(stage.folder / "images.npy").ravel()
    np.testing.assert_array_equal(taken, choose(None, labels.tolist(), 6, seed=recipe.seed))
    counts = Counter(labels[taken].tolist())
    assert sorted(counts.values()) == [1, 1, 2, 2]
    assert counts[3] == 1
    assert stage.facts == {"images": 6, "sha256": sha256_file(stage.folder / "images.npy")}


def test_graphs_come_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    for name in ("int8-trt", "fp16", "fp32", "int8-cpu", "strange"):
        (tmp_path / f"student.{name}.onnx").touch()
    found = graphs_of(Stage("onnx", "o", tmp_path, {}))
    assert list(found) == ["fp32", "fp16", "int8-cpu", "int8-trt"]
    assert found["fp16"] == tmp_path / "student.fp16.onnx"


@pytest.fixture
def stages(tmp_path: Path) -> tuple[Stage, Stage, Stage]:
    for name in ("fp32", "int8-trt", "int8-cpu"):
        (tmp_path / f"student.{name}.onnx").touch()
    onnx, int8 = Stage("onnx", "o", tmp_path, {}), Stage("int8", "i", tmp_path, {})
    return onnx, int8, Stage("calibrate", "c", tmp_path, {"sha256": "d"})


def test_engines_are_skipped_with_the_reason(
    run: Run, stages: tuple[Stage, Stage, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "engines_available", lambda: "no GPU")
    stage = engines_stage(run, *stages)
    assert stage.facts == {"skipped": "no GPU"}
    assert not list(stage.folder.glob("*.plan"))


def test_each_engine_is_built_from_the_graph_of_its_precision(
    run: Run, stages: tuple[Stage, Stage, Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    built = {}

    def build(graph: Path, plan: Path, options: EngineOptions, *, calibration_sha256: str) -> None:
        built[options.precision] = (graph.name, plan.name, calibration_sha256)

    monkeypatch.setattr(artifacts, "engines_available", lambda: None)
    monkeypatch.setattr(artifacts, "engine_from_onnx", build)
    assert engines_stage(run, *stages).facts == {"skipped": None}
    assert built == {
        "fp32": ("student.fp32.onnx", "student.fp32.plan", "d"),
        "int8": ("student.int8-trt.onnx", "student.int8.plan", "d"),
    }
