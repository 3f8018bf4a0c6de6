"""Students of our own for bridges, as ONNX files, and who of LFW they are strangers to.

    python benchmarks/bridge_students.py finished RUN --out FOLDER
    python benchmarks/bridge_students.py slice REAL_FOLDER --out FOLDER [--pictures N] [--steps N]

`finished` takes seed 0 of a run of `benchmarks/unlabelled.py`, which learnt from most of `lfw-dev`:
FOLDER/unlabelled.strangers.txt names the people who were held out. `slice` trains one with the
channels of `w600k_mbf` halved and 128 dimensions, begun in its teacher's weights, on pictures of
`utk` and the synthetic people of `omi`, so that all of `lfw-dev` are strangers. A stopped call goes
on where it was. For `benchmarks/bridge.py --network NAME=FOLDER/NAME.onnx`.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from unlabelled import some_of

from embedge.export.student import onnx_from_student
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Stage, open_run
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import load_student, student_stage
from embedge.pipeline.stages.ship.artifacts import contract_of, onnx_stage
from embedge.progress import Progress

SLICE = (
    *("--teacher.preprocessing", "rgb-scaled", "--teacher.batch", "16", "--data.held_out", "40"),
    *("--data.flip", "false", "--student.start", "teacher", "--student.dims", "pca"),
    *("--student.dim", "128", "--student.train.lr", "0.002", "--student.train.warmup", "20"),
    *("--student.train.ema", "0.98", "--student.train.checkpoint_minutes", "1"),
    *("--export.precisions", "[fp32]"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("finished", "slice"))
    parser.add_argument("folder", type=Path, help="the run, or the folder of real faces")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=3000, help="of utk, to learn from")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "finished":
        finished(options.folder, options.out)
    else:
        sliced(options)


def finished(run: Path, out: Path) -> None:
    recipe = Recipe.model_validate(json.loads((run / "recipe.json").read_text()))
    teacher, student, strangers = (
        _stage(run, name) for name in ("teacher", f"student-{recipe.distill.method}", "held-out")
    )
    contract = contract_of(teacher, student)
    onnx_from_student(load_student(recipe, student), contract, out / "unlabelled.onnx")
    people = json.loads((strangers.folder / "faces.json").read_text())["identities"]
    (out / "unlabelled.strangers.txt").write_text("".join(f"{name}\n" for name in people))


def _stage(run: Path, name: str) -> Stage:
    (folder,) = run.glob(f"stages/{name}-*")
    facts = json.loads((folder / "stage.json").read_text())["facts"]
    return Stage(name, folder.name.removeprefix(f"{name}-"), folder, facts)


def sliced(options: argparse.Namespace) -> None:
    recipe = recipe_of(options)
    with open_run(options.out / "run", recipe.to_json(), Progress(), update=True) as run:
        school, _ = school_of(run, recipe)
        student = student_stage(run, recipe, recipe.distill.method, school)
        made = onnx_stage(run, recipe, school.teacher, student, school.faces)
        shutil.copyfile(made.folder / "student.fp32.onnx", options.out / "slice.onnx")


def recipe_of(options: argparse.Namespace) -> Recipe:
    real, pictures = options.folder, some_of(options.folder / "utk", options.pictures, options.out)
    own = ("--data.source", str(real / "omi"), "--data.extra", f"[{pictures.resolve()}]")
    teacher = ("--teacher.file", str(real / "models/w600k_mbf.onnx"))
    steps = ("--student.train.steps", str(options.steps))
    return load_recipe("unlabelled", [*own, *teacher, *steps, *SLICE])


if __name__ == "__main__":
    main()
