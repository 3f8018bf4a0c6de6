"""SH-KD from one call: three trainings, each a stage; the report shows everyone who took part."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from begun_run import begun
from called import called, started

from embedge.report.read import read_report
from embedge.runtime.bundle.bundle import Bundle

TINY = Path(__file__).parent / "tiny.yaml"
QUICK = ["--distill.shaping.steps", "3", "--distill.shaping.batch", "16"]
QUICK += ["--distill.shaping.amp", "fp32", "--distill.shaping.warmup", "1"]
QUICK += ["--method", "sh-kd"]
SHARED = ("faces", "held-out", "calibrate", "teacher", "head", "cache")


def distill(
    out: Path,
    *more: object,
    quick: Sequence[str] = QUICK,
    run: Callable[..., CompletedProcess[str]] = called,
) -> CompletedProcess[str]:
    few = ("--export.precisions", "[fp32]", "--no-baseline")
    return run("distill-and-export", "--recipe", TINY, "--out", out, *quick, *more, *few)


def stage(out: Path, name: str) -> Any:
    (found,) = out.glob(f"stages/{name}-????????????/stage.json")
    return json.loads(found.read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "tiny"
    result = distill(out, run=started)
    assert result.returncode == 0, result.stderr
    return out


def test_three_trainings_follow_from_each_other(finished: Path) -> None:
    first, shaped = stage(finished, "student-scratch"), stage(finished, "teacher-shaped")
    fresh = stage(finished, "student-th-kd")
    name = next(finished.glob("stages/student-scratch-*")).name
    assert shaped["after"]["student-scratch"] == name.removeprefix("student-scratch-")
    assert {"head-shaped", "cache"} <= set(fresh["after"])
    assert first["after"].keys() == {"faces"}, "the first student must not know the teacher"


def test_the_report_shows_both_teachers_and_both_students(finished: Path) -> None:
    report = read_report(finished / "tiny.embedge" / "report.json")
    assert [(model.name, model.role) for model in report.models] == [
        ("teacher", "teacher"),
        ("student", "student"),
        ("original teacher", "teacher"),
        ("scratch", "baseline"),
    ]
    names = {one.name for one in report.comparisons}
    assert {"teacher", "original teacher", "student fp32", "scratch"} <= names
    assert "teacher / student fp32" in names
    assert report.training
    curves = {curve.name for curve in report.training.curves}
    assert curves == {"original teacher", "teacher", "sh-kd", "scratch"}


def test_the_student_lives_in_the_space_of_the_shaped_teacher(finished: Path) -> None:
    from embedge.train.teachers import open_teacher

    (shaped,) = finished.glob("stages/teacher-shaped-*")
    with Bundle.open(finished / "tiny.embedge") as bundle:
        assert bundle.contract.space == open_teacher(shaped).space


def test_every_training_resumes(finished: Path) -> None:
    """A missing last stage is all that is done again."""
    import shutil

    (student,) = finished.glob("stages/student-th-kd-*")
    before = (student / "student.safetensors").read_bytes()
    shutil.rmtree(student)
    again = distill(finished)
    assert again.returncode == 0, again.stderr
    assert "teacher-shaped: reused" in again.stderr
    assert "student-scratch: reused" in again.stderr
    (student,) = finished.glob("stages/student-th-kd-*")
    assert (student / "student.safetensors").read_bytes() == before


def test_a_map_shapes_a_teacher_that_cannot_be_trained(finished: Path) -> None:
    out = begun(finished.parent / "mapped", finished, *SHARED)
    onnx = next(finished.glob("stages/onnx-*")) / "student.fp32.onnx"
    foreign = ["--teacher.source", "file", "--teacher.file", str(onnx)]
    refused = distill(out, *foreign, "--distill.shape", "network")
    assert refused.returncode == 2
    assert "E-TEACHER-FROZEN" in refused.stderr
    assert "12 classes of 8 to 8 pictures" in refused.stderr
    result = distill(out, *foreign, "--update")
    assert result.returncode == 0, result.stderr
    report = read_report(out / "tiny.embedge" / "report.json")
    assert [model.method for model in report.models][:3] == ["mapped onnx", "sh-kd", "onnx"]


@pytest.mark.parametrize(("dims", "crossed"), [("pca", True), ("projection", False)])
def test_a_narrow_student(finished: Path, dims: str, crossed: bool) -> None:
    out = begun(finished.parent / dims, finished, *SHARED)
    narrow = ["--student.dim", "8", "--method", "proxyless"]
    if dims == "pca":
        refused = distill(out, *narrow, quick=())
        assert refused.returncode == 2
        assert "E-DIMS" in refused.stderr
    result = distill(out, *narrow, "--student.dims", dims, "--update", quick=())
    assert result.returncode == 0, result.stderr
    report = read_report(out / "tiny.embedge" / "report.json")
    names = {one.name for one in report.comparisons}
    assert ("teacher / student fp32" in names) is crossed
    assert ("original teacher" in names) is crossed
    assert ("cross-space" in {row.stage for row in report.skipped}) is not crossed
    with Bundle.open(out / "tiny.embedge") as bundle:
        assert bundle.contract.dim == 8


def test_the_first_student_may_be_taught_and_be_of_the_other_architecture(
    finished: Path, tmp_path: Path
) -> None:
    begun(tmp_path / "run", finished, *SHARED)
    more = ["--distill.first", "l2e", "--student.architecture", "repface"]
    done = distill(tmp_path / "run", *more)
    assert done.returncode == 0, done.stderr
    assert "the shared head names" in done.stdout + done.stderr
    models = read_report(tmp_path / "run" / "tiny.embedge" / "report.json").models
    assert [model.name for model in models if model.role == "baseline"] == ["l2e"]
    names = stage(tmp_path / "run", "head-shaped")["facts"]["names"]
    assert list(names) == ["first student", "teacher before", "teacher shaped"]
