"""Students of our own for bridges: two of one teacher, unlike each other, strangers to LFW.

    python benchmarks/bridge_students.py REAL_FOLDER --out FOLDER [--pictures 3000] [--steps 200]

Teacher `w600k_mbf`, asked for embeddings only; learnt from are pictures of `utk` and synthetic
people of `omi`, all without names, so that all of `lfw-dev` is left to judge on. `slice` has the
teacher's 512 dimensions, `small` another seed, other activations and 128 dimensions. A stopped call
goes on where it was. For `benchmarks/bridge.py --network slice=FOLDER/slice.onnx`.
"""

import argparse
import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from unlabelled import some_of

from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import Run, open_run
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import student_stage
from embedge.pipeline.stages.ship.artifacts import onnx_stage
from embedge.progress import Progress

STUDENTS: dict[str, tuple[str, ...]] = {
    "slice": (),
    "small": (
        *("--seed", "1", "--student.activation", "relu"),
        *("--student.dim", "128", "--student.dims", "pca"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=3000, help="of utk")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--student", choices=STUDENTS, action="append")
    options = parser.parse_args()
    for name in options.student or STUDENTS:
        recipe = recipe_of(options, STUDENTS[name])
        with open_run(options.out / "run", recipe.to_json(), Progress(), update=True) as run:
            shutil.copyfile(graph(run, recipe), options.out / f"{name}.onnx")


def recipe_of(options: argparse.Namespace, own: tuple[str, ...]) -> Recipe:
    real, faces = options.real, some_of(options.real / "utk", options.pictures, options.out)
    return load_recipe(
        "unlabelled",
        [
            *("--data.source", str(real / "omi"), "--data.extra", f"[{faces.resolve()}]"),
            *("--data.held_out", "40", "--teacher.file", str(real / "models/w600k_mbf.onnx")),
            *("--teacher.preprocessing", "rgb-scaled", "--student.start", "teacher"),
            *("--student.train.steps", str(options.steps), "--student.train.lr", "0.002"),
            *("--student.train.warmup", "20", "--student.train.ema", "0.98"),
            *("--student.train.checkpoint_minutes", "1", "--export.precisions", "[fp32]"),
            *("--data.flip", "false", "--teacher.batch", "16"),
            *own,
        ],
    )


def graph(run: Run, recipe: Recipe) -> Path:
    school, _ = school_of(run, recipe)
    student = student_stage(run, recipe, recipe.distill.method, school)
    made = onnx_stage(run, recipe, school.teacher, student, school.faces)
    return Path(made.folder) / "student.fp32.onnx"


if __name__ == "__main__":
    main()
