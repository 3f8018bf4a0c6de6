"""The bench times the graphs of the run on held-out faces, and the report reads what it found."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from face_sets import face_set
from PIL import Image
from sample_report import sample_latency
from timings import timings
from tiny_school import run_in, tiny_recipe

from embedge.bench.results import Latency
from embedge.pipeline.proving import timing
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.ship.latency import bench_stage, latency_of

GRAPHS = {"fp32": Path("a.onnx"), "int8-cpu": Path("b.onnx")}


@pytest.fixture
def held_out(tmp_path: Path) -> Stage:
    face_set().save(tmp_path / "held-out")
    return Stage("held-out", "h", tmp_path / "held-out", {})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the timing was asked for, each time; the answer is a made-up section."""
    calls: list[dict[str, Any]] = []

    def section(graphs: dict[str, Path], **options: Any) -> Latency:
        calls.append({"graphs": graphs, **options})
        return sample_latency(np.random.default_rng(1))

    monkeypatch.setattr(timing, "latency_section", section)
    return calls


def test_faces_that_nobody_learnt_from_are_timed(
    tmp_path: Path, held_out: Stage, asked: list[dict[str, Any]]
) -> None:
    recipe = tiny_recipe(bench__seconds=0.5)
    stage = bench_stage(run_in(tmp_path / "run"), recipe, held_out, GRAPHS, [], GRAPHS)
    found = latency_of(stage)
    assert replace(found, why=None) == sample_latency(np.random.default_rng(1))
    assert found.why is not None
    assert "holds its gates" in found.why
    (call,) = asked
    assert (call["graphs"], call["seconds"]) == (GRAPHS, 0.5)
    assert call["default"](timings(fp32=2.0, int8_cpu=1.0)) == "int8-cpu"
    np.testing.assert_array_equal(call["crops"], face_set().images)


def test_queries_are_two_pictures_of_a_scene_with_landmarks_in_it(
    tmp_path: Path, held_out: Stage, asked: list[dict[str, Any]]
) -> None:
    bench_stage(run_in(tmp_path / "run"), tiny_recipe(), held_out, GRAPHS, [], GRAPHS)
    for first, second in asked[0]["queries"]:
        assert first[0] != second[0]
        for jpeg, landmarks in (first, second):
            assert Image.open(io.BytesIO(jpeg)).size == (640, 480)
            assert np.shape(landmarks) == (5, 2)
            assert (np.asarray(landmarks) > 0).all()
            assert (np.asarray(landmarks) < (640, 480)).all()


def test_only_what_was_timed_times_it_again(
    tmp_path: Path, held_out: Stage, asked: list[dict[str, Any]]
) -> None:
    run = run_in(tmp_path / "run")
    for seconds in (1, 1, 2):
        bench_stage(run, tiny_recipe(bench__seconds=seconds), held_out, GRAPHS, [], GRAPHS)
    assert [call["seconds"] for call in asked] == [1, 2]
