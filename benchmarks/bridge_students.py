"""A student of ours for bridges, as an ONNX file, and who of LFW it is a stranger to.

    python benchmarks/bridge_students.py RUN --out FOLDER

RUN is the folder of students of `benchmarks/unlabelled.py`; its first seed becomes
FOLDER/unlabelled.onnx. It learnt from most people of `lfw-dev`: FOLDER/unlabelled.strangers.txt
names those who were held out. Both are for `benchmarks/bridge.py --network … --strangers …`.
"""

import argparse
import json
from pathlib import Path

from embedge.export.student import onnx_from_student
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Stage
from embedge.pipeline.stages.learn.students import load_student
from embedge.pipeline.stages.ship.artifacts import contract_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    finished(options.run, options.out)


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


if __name__ == "__main__":
    main()
