"""Every network sees the same pictures, and a part of the people is the same part of every one."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from face_sets import face_set
from tiny_bundles import tiny_contract, tiny_onnx
from tiny_school import tiny_recipe

from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject
from embedge.pipeline.proving.judging import Views
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.ship import views
from embedge.pipeline.stages.ship.views import JudgedStages, views_of
from embedge.progress import Progress
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.train.loop.checkpoint import save_network
from embedge.train.models import mobilefacenet

DIM = 8
FACES = face_set()


def stage(name: str, folder: Path = Path(), shares: bool = True) -> Stage:
    facts = {"dim": DIM, "shares_space": shares, "curves": {}, "watch": None}
    return Stage(name, name, folder, facts)


def levels(faces: object, **_: object) -> np.ndarray:
    """A teacher that looks at nothing but how bright a picture is, without normalising."""
    mean = FACES.images.mean((1, 2))
    return np.hstack([mean, np.full((len(mean), DIM - 3), 7.0)]).astype(np.float32)


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JudgedStages:
    monkeypatch.setattr(views, "teacher_of", lambda _: SimpleNamespace(embed=levels))
    save_network(tmp_path / "student.safetensors", mobilefacenet(DIM, scale=1, width=0.125))
    return JudgedStages(stage("held-out"), stage("teacher"), stage("student", tmp_path))


def seen(judged: JudgedStages, folder: Path) -> Views:
    graph = folder / "student.fp32.onnx"
    graph.write_bytes(tiny_onnx(tiny_contract(DIM)))
    return views_of(tiny_recipe(), FACES, judged, {"fp32": graph}, Progress(quiet=True))


def test_every_network_answers_to_every_picture_with_length_one(
    judged: JudgedStages, tmp_path: Path
) -> None:
    found = seen(judged, tmp_path)
    for rows in (found.teacher.rows, found.student, found.artifacts["fp32"].rows):
        assert rows.shape == (len(FACES), DIM)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        found.teacher.rows[4], levels(FACES)[4] / np.linalg.norm(levels(FACES)[4]), atol=1e-6
    )
    with OrtEncoder(tmp_path / "student.fp32.onnx") as encoder:
        np.testing.assert_allclose(
            found.artifacts["fp32"].rows, encoder.embed(FACES.images), atol=1e-5
        )
    assert found.artifacts["fp32"].contract == tiny_contract(DIM)
    assert found.artifacts["fp32"].side == Side("student", "fp32")
    assert found.providers == {"fp32": "CPUExecutionProvider"}


def test_only_those_who_are_there_are_judged(judged: JudgedStages, tmp_path: Path) -> None:
    found = seen(judged, tmp_path)
    assert (found.baseline, found.original, found.shared) == (None, None, True)
    student = stage("student", tmp_path, shares=False)
    more = JudgedStages(judged.held_out, judged.teacher, student, student, stage("original"))
    found = seen(more, tmp_path)
    assert found.baseline is not None
    assert found.original is not None
    assert (found.baseline.side, found.original.side) == (Side("scratch"), Side("original teacher"))
    np.testing.assert_array_equal(found.baseline.rows, found.student)
    assert not found.shared


def test_stages_are_those_that_there_are(judged: JudgedStages) -> None:
    assert [one.name for one in judged.stages] == ["held-out", "teacher", "student"]


def test_some_pictures_are_the_same_ones_of_every_network() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)

    def subject(model: str, plus: int) -> Subject:
        return Subject(Side(model), rows + plus)

    whole = Views(
        teacher=subject("teacher", 100),
        student=rows,
        baseline=None,
        original=subject("original teacher", 200),
        artifacts={"fp32": subject("student", 300)},
        providers={"fp32": "CPU"},
        shared=True,
    )
    chosen = np.array([True, False, False, True, False, True])
    part = whole.of(chosen)
    assert part.original is not None
    assert part.baseline is None
    np.testing.assert_array_equal(part.student, rows[[0, 3, 5]])
    for one, plus in ((part.teacher, 100), (part.original, 200), (part.artifacts["fp32"], 300)):
        np.testing.assert_array_equal(one.rows, part.student + plus)
    assert part.teacher.side == Side("teacher")
    assert len(whole.student) == 6
