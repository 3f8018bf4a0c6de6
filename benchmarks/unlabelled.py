"""Learning without names from a black box: one command, the committed recipe, people never seen.

    python benchmarks/unlabelled.py REAL_FOLDER [--minutes 60] [--seeds 3] [--pictures N]
        [--judge FOLDER ...]

REAL_FOLDER holds utk (faces without identities), lfw-dev (aligned faces by person) and
models/w600k_mbf.onnx, which is only asked for embeddings. The recipe is `unlabelled`: all of utk
and four fifths of lfw-dev's people are learnt from without labels, the other people are judged on.
--minutes are those of a student's training; --pictures takes a part of utk, for a trial. --judge
names more people to judge on, folders PERSON/PICTURE of aligned faces whom none of these learnt
from. A stopped call goes on where it was.
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

from embedge.pipeline.compare.comparing import compare_methods
from embedge.pipeline.compare.comparison_table import table
from embedge.pipeline.compare.judging import Strangers
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Run, open_run
from embedge.pipeline.stages.learn.faces import held_out_stage
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import student_stage
from embedge.progress import Progress
from embedge.train.data import open_faces
from embedge.train.models.quick.compiled import prepared
from embedge.typed import plain

EACH = 8
_POINTS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--minutes", type=float, default=60, help="of training, for each seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=int, help="of utk; all unless given")
    parser.add_argument("--held-out", type=int, default=590, help="people of lfw-dev, to judge on")
    parser.add_argument("--judge", type=Path, nargs="+", default=[], help="other people, as well")
    parser.add_argument("--out", type=Path, default=Path("runs/unlabelled"))
    options = parser.parse_args()
    facts = provenance("torch", "onnxruntime")
    facts["command"] = f"python benchmarks/unlabelled.py REAL_FOLDER {_said(options)}"
    recipe = recipe_of(options)
    recipe = with_steps(options.out / "students", recipe, options.minutes)
    began = time.monotonic()
    with open_run(options.out / "students", recipe.to_json(), Progress(), update=True) as run:
        result = compare_methods(run, recipe, [recipe.distill.method], range(options.seeds))
        trained = _trainings(options.out / "students")
        others = {one.name: _on_others(run, recipe, one, options.seeds) for one in options.judge}
    print(table(result, recipe.evaluate.gate_fmr))
    print(json.dumps(others, indent=1) if others else "")
    data, teacher = result.recipe["data"], result.recipe["teacher"]
    data["source"], data["extra"] = "lfw-dev", ["utk"]
    teacher["file"] = Path(teacher["file"]).name
    told = {"minutes": options.minutes, "pictures_of_utk": options.pictures or "all"}
    told |= {"kernels": prepared(), "trainings": trained, "wall_s": time.monotonic() - began}
    told |= {"pace": json.loads((options.out / "students.steps.json").read_text())}
    told |= {"others": others}
    write_result("methods-unlabelled", {"provenance": facts, **told, **result.to_json()})


def _said(options: argparse.Namespace) -> str:
    some = f" --pictures {options.pictures}" if options.pictures else ""
    return f"--minutes {options.minutes:g} --seeds {options.seeds}{some}"


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


def _on_others(run: Run, recipe: Recipe, folder: Path, seeds: int) -> dict[str, Any]:
    """The same students, judged on other people."""
    held_out = open_faces(str(folder)).classes - 1  # one stays on the side that is not judged
    data = recipe.data.model_copy(update={"source": str(folder), "held_out": held_out})
    strangers = held_out_stage(run, recipe.model_copy(update={"data": data}))
    judge, method = Strangers(run, recipe, strangers, checked=False), recipe.distill.method
    school, _ = school_of(run, recipe)
    found: dict[str, Any] = {"teacher": plain(judge.teacher(school.teacher)), "students": []}
    for seed in range(seeds):
        own = recipe.model_copy(update={"seed": seed})
        student = student_stage(run, own, method, school)
        found["students"].append(judge.student(method, own, student, school.teacher).facts)
    return found


def _trainings(folder: Path) -> list[dict[str, Any]]:
    """Minutes of every student that this folder holds, from where the last call went on."""
    found = []
    for path in sorted(folder.glob("stages/student-*/stage.json")):
        stage = json.loads(path.read_text())
        seconds, curves = float(stage["seconds"]), stage["facts"]["curves"]
        each = max(1, len(curves["step"]) // _POINTS)
        curve = {
            "step": curves["step"][::each],
            # two rows of length one are 2 - 2 cos apart
            "cosine": [round(1 - gap / 2, 4) for gap in curves["distance"][::each]],
        }
        found.append({"minutes": seconds / 60, "curve": curve})
    return found


if __name__ == "__main__":
    main()
