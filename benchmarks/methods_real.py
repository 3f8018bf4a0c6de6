"""Every method on real faces, and one of them for longer.

    python benchmarks/methods_real.py REAL_FOLDER [--minutes-per-method N]
    python benchmarks/methods_real.py REAL_FOLDER --methods '' --long th-kd [--minutes N]

REAL_FOLDER holds lfw-dev (aligned faces by person), omi (more of them) and models/w600k_mbf.onnx.
All methods take as many steps with the same seeds and begin at random, and TH-KD again from a
slice of the teacher (student.start: teacher); the long one begins in both ways. The people who are
judged on were never learnt from. A stopped call goes on where it was; figures are written after
every method, page and plot at the end.
"""

import argparse
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from provenance import RESULTS, provenance, write_result
from results_page import write_page

from embedge.files import write_json
from embedge.pipeline.compare.comparing import Contestant, compare_methods
from embedge.pipeline.compare.comparison_table import table, verdict
from embedge.pipeline.compare.result import MethodsComparison
from embedge.pipeline.dry_run.pace import Stopwatch
from embedge.pipeline.dry_run.rehearsal import Rehearsal
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.recipe_file import load_recipe
from embedge.pipeline.run import open_run
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.shaping import school_of
from embedge.pipeline.stages.learn.students import student_stage
from embedge.progress import Progress

NAME = "methods-real"
RECIPE = Path(__file__).with_name("methods_real.yaml")
LONG = Path(__file__).with_name("methods_real_long.yaml")
METHODS = "scratch,proxyless,l2e,th-kd,sh-kd"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--methods", default=METHODS, help="names with commas between")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes-per-method", type=float, help="steps by time, not by the recipe")
    parser.add_argument("--long", help="this method, from a slice of the teacher and at random")
    parser.add_argument("--minutes", type=float, help="of --long; steps by time, not by the recipe")
    parser.add_argument("--out", type=Path, default=Path("runs/methods-real"))
    options = parser.parse_args()
    methods = [name for name in options.methods.split(",") if name]
    if methods:
        work = options.out / "equal-steps"
        _compared(work, _recipe(RECIPE, options.real, methods), methods, options)
    if options.long:
        work = options.out / f"long-{options.long}"
        _long(work, _recipe(LONG, options.real, [options.long]), options)
    write_page()


def _recipe(path: Path, real: Path, methods: list[str]) -> Recipe:
    places = ["--data.source", str(real / "lfw-dev"), "--data.extra", f"[{real / 'omi'}]"]
    places += ["--teacher.file", str(real / "models/w600k_mbf.onnx")]
    return load_recipe(str(path), places, methods=[*methods, "sh-kd"])  # it shapes a map


def _compared(
    folder: Path, recipe: Recipe, methods: list[str], options: argparse.Namespace
) -> None:
    recipe = with_steps(folder, recipe, options.minutes_per_method)
    seeds, sliced = range(options.seeds), Contestant("th-kd, slice", "th-kd", _sliced(recipe))
    with open_run(folder, recipe.to_json(), Progress(), update=True) as run:
        for count in range(1, len(methods) + 1):
            result = compare_methods(run, recipe, methods[:count], seeds)
            _keep(result, "compared")
        _keep(compare_methods(run, recipe, [sliced], seeds), "sliced")
    _say(result, recipe)


def _sliced(recipe: Recipe) -> Recipe:
    """With a quarter of the rate: a slice of the teacher is no beginner."""
    return _begun(recipe, "teacher", recipe.student.train.lr / 4)


def _at_random(recipe: Recipe) -> Recipe:
    return _begun(recipe, "random", 4 * recipe.student.train.lr)


def _begun(recipe: Recipe, start: str, lr: float) -> Recipe:
    train = recipe.student.train.model_copy(update={"lr": lr})
    changes = {"start": start, "train": train}
    return recipe.model_copy(update={"student": recipe.student.model_copy(update=changes)})


def _long(folder: Path, recipe: Recipe, options: argparse.Namespace) -> None:
    recipe, name = with_steps(folder, recipe, options.minutes), options.long
    both = [
        Contestant(f"{name}, slice", name, recipe),
        Contestant(f"{name}, random start", name, _at_random(recipe)),
    ]
    with open_run(folder, recipe.to_json(), Progress(), update=True) as run:
        result = compare_methods(run, recipe, both, [0])
    _keep(result, "long")
    _say(result, recipe)


def _say(result: MethodsComparison, recipe: Recipe) -> None:
    fmr = recipe.evaluate.gate_fmr
    print(f"{table(result, fmr)}\n\n{verdict(result, fmr)}")


def with_steps(folder: Path, recipe: Recipe, minutes: float | None, name: str = "") -> Recipe:
    """As many steps as take so long here; measured once, so that a resumed run has as many."""
    if minutes is None:
        return recipe
    kept = folder.with_name(f"{folder.name}{'.' * bool(name)}{name}.steps.json")
    if not kept.is_file():
        with open_run(folder, recipe.to_json(), Progress(), update=True) as run:
            school, _ = school_of(run, recipe)
            pace = _pace(recipe, school)
        write_json(kept, {"seconds_a_step": pace})
    pace = float(json.loads(kept.read_text())["seconds_a_step"])
    return _changed(recipe, steps=round(60 * minutes / pace))


def _pace(recipe: Recipe, school: School) -> float:
    """Seconds that a step of the student takes here, now."""
    with TemporaryDirectory(prefix="embedge-pace-") as name:
        stopwatch = Stopwatch()
        run = Rehearsal(Path(name) / "run", stopwatch, scratch=Path(name))
        stage = student_stage(run, recipe, "th-kd", school)
        training = run.foreseen[stage.key].declared.training
        assert training is not None
        return stopwatch.seconds(training, Path(name) / "trial")


def _changed(recipe: Recipe, **schedule: Any) -> Recipe:
    train = recipe.student.train.model_copy(update=schedule)
    return recipe.model_copy(update={"student": recipe.student.model_copy(update={"train": train})})


def _keep(result: MethodsComparison, part: str) -> None:
    """Beside what the file holds of the other part; paths of this machine stay out of it."""
    path = RESULTS / f"{NAME}.json"
    held = json.loads(path.read_text()) if path.is_file() else {}
    data, teacher = result.recipe["data"], result.recipe["teacher"]
    data["source"] = Path(data["source"]).name
    data["extra"] = [Path(source).name for source in data["extra"]]
    teacher["file"] = Path(teacher["file"]).name
    facts = provenance("torch", "onnxruntime")
    facts["command"] = "python benchmarks/methods_real.py REAL_FOLDER …"
    write_result(NAME, {**held, part: {"provenance": facts, **result.to_json()}})


if __name__ == "__main__":
    main()
