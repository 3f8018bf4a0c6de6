"""Learning without names from a black box: one command, the committed recipe, people never seen.

    python benchmarks/unlabelled.py REAL_FOLDER [--minutes 60] [--seeds 3] [--first 0]
        [--pictures N] [--judge FOLDER ...]

REAL_FOLDER holds utk (faces without identities), lfw-dev (aligned faces by person) and
models/w600k_mbf.onnx, which is only asked for embeddings. The recipe is `unlabelled`: all of utk
and four fifths of lfw-dev's people are learnt from without labels, the other people are judged on.
--minutes are those of a student's training; --pictures takes a part of utk, for a trial. --judge
names more people to judge on, folders PERSON/PICTURE of aligned faces whom none of these learnt
from. A stopped call goes on where it was. --first is the first seed: figures from another seed on
are written beside those of the seeds before.
"""

import argparse
import json
import os
import time
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from methods_real import with_steps
from provenance import provenance, write_result

from embedge.cli.numbers import COUNT, WHOLE
from embedge.pipeline.compare.comparing import compare_methods
from embedge.pipeline.compare.comparison_table import table
from embedge.pipeline.compare.judging import Strangers
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Run, Stage, open_run
from embedge.pipeline.stages.learn.faces import faces_of, held_out_stage, train_faces_stage
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import student_stage
from embedge.progress import Progress
from embedge.train.data import open_faces
from embedge.train.data.overlap import require_apart
from embedge.train.models.quick.compiled import prepared
from embedge.typed import plain

EACH = 8
_POINTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--minutes", type=float, default=60, help="of training, for each seed")
    parser.add_argument("--seeds", type=COUNT, default=3)
    parser.add_argument("--first", type=WHOLE, default=0, help="seed to begin at")
    parser.add_argument("--pictures", type=int, help="of utk; all unless given")
    parser.add_argument("--held-out", type=int, default=590, help="people of lfw-dev, to judge on")
    parser.add_argument("--judge", type=Path, nargs="+", default=[], help="other people, as well")
    parser.add_argument("--out", type=Path, default=Path("runs/unlabelled"))
    options = parser.parse_args()
    facts = provenance("torch", "onnxruntime")
    facts["command"] = f"python benchmarks/unlabelled.py REAL_FOLDER {_said(options)}"
    if len({one.name for one in options.judge}) < len(options.judge):
        parser.error("two folders of --judge have one name, and so would their figures")
    recipe = recipe_of(options)
    with open_run(options.out / "students", recipe.to_json(), Progress(), update=True) as run:
        strangers = {one.name: _strangers(run, recipe, one) for one in options.judge}
    recipe = with_steps(options.out / "students", recipe, options.minutes)
    began = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    with open_run(options.out / "students", recipe.to_json(), Progress(), update=True) as run:
        result = compare_methods(run, recipe, [recipe.distill.method], seeds)
        school, _ = school_of(run, recipe)
        every = [recipe.model_copy(update={"seed": seed}) for seed in seeds]
        students = [student_stage(run, own, own.distill.method, school) for own in every]
        trained = [_training(student) for student in students]
        learnt = list(zip(every, students))
        judges = {
            name: Strangers(run, recipe, stage, checked=False) for name, stage in strangers.items()
        }
        others = {name: _by(judge, school.teacher, learnt) for name, judge in judges.items()}
    print(table(result, recipe.evaluate.gate_fmr))
    print(json.dumps(others, indent=1) if others else "")
    told = {"minutes": options.minutes, "pictures_of_utk": options.pictures or "all"}
    told |= {"kernels": prepared(), "trainings": trained, "wall_s": time.monotonic() - began}
    told |= {"pace": json.loads((options.out / "students.steps.json").read_text())}
    told |= {"others": others}
    compared = result.to_json()
    told |= compared | {"recipe": public(compared["recipe"])}
    name = "methods-unlabelled" + (f"-from-{options.first}" if options.first else "")
    write_result(name, {"provenance": facts, **told})


def public(recipe: dict[str, Any]) -> dict[str, Any]:
    """Without where its files lie here."""
    data, teacher = dict(recipe["data"]), dict(recipe["teacher"])
    data |= {"source": "lfw-dev", "extra": ["utk"]}
    teacher["file"] = Path(teacher["file"]).name
    return {**recipe, "data": data, "teacher": teacher}


def _said(options: argparse.Namespace) -> str:
    some = f" --pictures {options.pictures}" if options.pictures else ""
    judge = f" --judge {' '.join(one.name for one in options.judge)}" if options.judge else ""
    seeds = f"--seeds {options.seeds}" + (f" --first {options.first}" if options.first else "")
    return f"--minutes {options.minutes:g} {seeds}{some} --held-out {options.held_out}{judge}"


def recipe_of(options: argparse.Namespace) -> Recipe:
    real, extra = options.real, options.real / "utk"
    if options.pictures:
        extra = _some(extra, options.pictures, options.out)
    return load_recipe(
        "unlabelled",
        [
            *("--data.source", str(real / "lfw-dev"), "--data.extra", f"[{extra.resolve()}]"),
            *("--data.held_out", str(options.held_out), "--data.held_out_per_identity", str(EACH)),
            *("--teacher.file", str(real / "models/w600k_mbf.onnx")),
            *("--teacher.preprocessing", "rgb-scaled"),
        ],
    )


def _some(folder: Path, count: int, out: Path) -> Path:
    """The first so many pictures, as links."""
    some = out / f"utk-{count}"
    some.mkdir(parents=True, exist_ok=True)
    for path in islice(sorted(folder.glob("*.jpg")), count):
        link = some / path.name
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    return some


def _strangers(run: Run, recipe: Recipe, folder: Path) -> Stage:
    """Other people to judge on, read before anything is trained."""
    faces = open_faces(str(folder))
    learnt = faces_of(train_faces_stage(run, recipe))
    require_apart(faces, learnt, "Judge on people of whom nothing is learnt")
    # one stays on the side that is not judged
    changed = {"source": str(folder), "held_out": faces.classes - 1}
    data = recipe.data.model_copy(update=changed)
    return held_out_stage(run, recipe.model_copy(update={"data": data}))


def _by(judge: Strangers, teacher: Stage, learnt: list[tuple[Recipe, Stage]]) -> dict[str, Any]:
    """The same students, judged by other people."""
    found = [judge.student(own.distill.method, own, one, teacher).facts for own, one in learnt]
    told = {"teacher": plain(judge.teacher(teacher)), "students": found}
    return {**told, "failed": judge.held_out.facts["failed"]}


def _training(student: Stage) -> dict[str, Any]:
    """Its minutes, from where the last call went on."""
    seconds = json.loads((student.folder / "stage.json").read_text())["seconds"]
    curves = student.facts["curves"]
    each = max(1, len(curves["step"]) // _POINTS)
    curve = {
        "step": curves["step"][::each],
        # two rows of length one are 2 - 2 cos apart
        "cosine": [round(1 - gap / 2, 4) for gap in curves["distance"][::each]],
    }
    return {"minutes": float(seconds) / 60, "curve": curve}


if __name__ == "__main__":
    main()
