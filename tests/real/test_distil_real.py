"""A short distillation from a real teacher without a classifier, on real faces."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from embedge.cli import main
from embedge.errors import EmbedgeError
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import open_run
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.start import begun, start_stage
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.progress import Progress
from embedge.report.read import read_report
from embedge.train.data.feeding.batches import pixels
from embedge.train.models import mobilefacenet

pytestmark = pytest.mark.real

PEOPLE, EACH, HELD_OUT = 70, 4, 30


def people_of(source: Path, folder: Path, people: int) -> Path:
    """Links to the first pictures of those who have enough of them."""
    chosen = [person for person in sorted(source.iterdir()) if len(list(person.iterdir())) >= EACH]
    for person in chosen[:people]:
        (folder / person.name).mkdir(parents=True)
        for picture in sorted(person.iterdir())[:EACH]:
            (folder / person.name / picture.name).symlink_to(picture)
    return folder


@pytest.fixture(scope="module")
def finished(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real")
    faces = people_of(real / "lfw-dev", root / "faces", PEOPLE)
    more = people_of(real / "omi", root / "more", 5)
    recipe = {
        "data.source": faces,
        "data.extra": f"[{more}]",
        "data.held_out": HELD_OUT,
        "data.flip": "true",
        "data.calibration_images": 32,
        "teacher.source": "file",
        "teacher.file": real / "models" / "w600k_mbf.onnx",
        "student.width": 0.25,
        "student.activation": "relu",
        "student.train.steps": 60,
        "student.train.batch": 32,
        "student.train.warmup": 5,
        "student.train.lr": 0.008,
        "export.precisions": "[fp32]",
        "evaluate.fmrs": "[0.1]",
        "evaluate.threshold_fmr": 0.1,
        "evaluate.gate_fmr": 0.1,
        "evaluate.gates.cross_space_tar": 0,
        "evaluate.gates.eer": 1,
        "bench.seconds": 0.3,
        "name": "short",
    }
    options = [text for key, value in recipe.items() for text in (f"--{key}", str(value))]
    command = ["distill-and-export", "--recipe", "rendered", "--out", str(root / "run")]
    assert main([*command, "--no-baseline", *options]) == 0
    return root / "run"


def stage(run: Path, name: str) -> Path:
    (found,) = run.glob(f"stages/{name}-????????????")
    return found


def facts(run: Path, name: str) -> dict:
    return json.loads((stage(run, name) / "stage.json").read_text())["facts"]


def test_the_teacher_was_confirmed_on_these_faces(finished: Path) -> None:
    teacher = facts(finished, "teacher")
    assert teacher["preprocessing"] == "rgb-scaled"
    assert teacher["confirmed"]["rgb-scaled"] < 0.03
    assert teacher["confirmed"]["rgb-plain"] > 0.2


def test_centres_were_recovered_for_everyone_who_is_learnt_from(finished: Path) -> None:
    head = facts(finished, "head")
    assert head["classes"] == PEOPLE - HELD_OUT + 5
    centres = json.loads((stage(finished, "head") / "centres.json").read_text())
    assert centres["pictures"] == [EACH, EACH, EACH]
    assert 0.1 < centres["dispersion"][0] < 0.6


def test_the_student_comes_nearer_to_the_teacher(finished: Path) -> None:
    (path,) = stage(finished, "student-th-kd").glob("*.csv")
    with path.open() as stream:
        distances = [float(row["distance"]) for row in csv.DictReader(stream)]
    assert distances[0] < 2.2, "two random directions are 2 apart"
    assert distances[-1] < 0.9 * distances[0]  # 0.86 when this was written


def test_the_report_judges_on_people_it_did_not_learn_from(finished: Path) -> None:
    report = read_report(finished / "short.embedge" / "report.json")
    rows = {one.name: one for one in report.comparisons}
    assert (rows["teacher"].tar[0].tar or 0) > 0.97
    assert "teacher / student fp32" in rows


@pytest.mark.slow  # two minutes: every layer is fitted to the one it stands for
def test_a_student_that_begins_as_a_slice_is_near_the_teacher_untrained(
    real: Path, tmp_path: Path
) -> None:
    faces = people_of(real / "lfw-dev", tmp_path / "faces", 120)
    told = f"--data.source {faces} --data.held_out 40 --teacher.source file"
    told += f" --teacher.file {real / 'models' / 'w600k_mbf.onnx'} --student.start teacher"
    told += " --student.scale 1 --student.width 1 --student.activation prelu"
    recipe = load_recipe("rendered", told.split())
    with open_run(tmp_path / "run", recipe.to_json(), Progress(), update=False) as run:
        school, _ = school_of(run, recipe)
        start = start_stage(run, recipe, school, 512)
        assert start is not None
        student = begun(mobilefacenet(512, scale=1), start).eval()
        narrow = recipe.student.model_copy(update={"width": 0.5})
        with pytest.raises(EmbedgeError, match="E-START"):
            start_stage(run, recipe.model_copy(update={"student": narrow}), school, 512)
        teacher = teacher_of(school.teacher)
        strangers = faces_of(held_out_stage(run, recipe)).images[:64]
    with torch.inference_mode():
        theirs = torch.from_numpy(teacher.features(np.asarray(strangers)))
        near = cosine_similarity(student(pixels(np.asarray(strangers))), theirs)
    assert start.facts["cosine"] > 0.3
    assert near.mean() > 0.3
