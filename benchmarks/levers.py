"""What each lever of the recipe `unlabelled` brings in equal minutes, and what does not help.

    python benchmarks/levers.py REAL_FOLDER [--minutes 8] [--only NAME ...] [--out FOLDER]

REAL_FOLDER and --out as in benchmarks/unlabelled.py, whose cached embeddings serve here too. Every
lever is one change of the recipe and takes as many steps as fit into the minutes by a measured
pace: a change that learns more from a step may lose by what the step costs. One seed. A stopped
call goes on where it was; figures are written after every student, beside those that were measured
before with the same recipe, minutes and people.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from methods_real import with_steps
from provenance import RESULTS, provenance, write_result
from unlabelled import public, recipe_of

from embedge.pipeline.compare.comparing import Contestant, compare_methods
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, open_run
from embedge.progress import Progress
from embedge.typed import plain

THE_RECIPE = "the recipe"
LEVERS: dict[str, dict[str, Any]] = {
    THE_RECIPE: {},
    "ReLU instead of PReLU": {"student.activation": "relu"},
    "fp32 instead of bf16": {"student.train.amp": "fp32"},
    "batch 32": {"student.train.batch": 32},
    "batch 128": {"student.train.batch": 128},
    "half the rate": {"student.train.lr": 4e-3},
    "SGD": {"student.train.optimizer": "sgd", "student.train.lr": 0.1},
    "no average of the weights": {"student.train.ema": 0.0},
    "no mirrored pictures": {"data.flip": False},
    "no jitter": {"student.train.jitter": False},
    "no distance (beta 0)": {"distill.beta": 0.0},
    "no likeness to all pictures (alpha 0)": {"distill.alpha": 0.0},
    "more likeness to all pictures (alpha 10)": {"distill.alpha": 10.0},
    "L2E": {"distill.method": "l2e"},
    "ProxylessKD": {"distill.method": "proxyless"},
    "relations of a batch (RKD)": {"distill.method": "rkd"},
    "clusters as people (alike 0.5)": {"data.alike": 0.5},
    "RepFace": {"student.architecture": "repface", "student.activation": "relu"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--pictures", type=int, help="of utk; all unless given")
    parser.add_argument("--held-out", type=int, default=590, help="people of lfw-dev, to judge on")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=LEVERS, default=list(LEVERS))
    parser.add_argument("--out", type=Path, default=Path("runs/unlabelled"))
    options = parser.parse_args()
    facts = provenance("torch", "onnxruntime")
    facts["command"] = f"python benchmarks/levers.py REAL_FOLDER {_said(options)}"
    recipe, folder = recipe_of(options), options.out / "students"
    asked = {"minutes": options.minutes, "recipe": public(recipe.to_json())}
    asked["pictures_of_utk"] = options.pictures or "all"
    found = _before(asked)
    for name in options.only:
        own = with_steps(folder, changed(recipe, LEVERS[name]), options.minutes, _slug(name))
        with open_run(folder, own.to_json(), Progress(), update=True) as run:
            found[name] = {**_judged(run, recipe, name, own), "provenance": facts}
        write_result("levers", {**asked, "levers": found})


def _before(asked: dict[str, Any]) -> dict[str, Any]:
    """What was measured of the same question."""
    path = RESULTS / "levers.json"
    stored = json.loads(path.read_text()) if path.is_file() else {}
    same = {name: stored.get(name) for name in asked} == asked
    return dict(stored["levers"]) if same else {}


def _said(options: argparse.Namespace) -> str:
    some = f" --pictures {options.pictures}" if options.pictures else ""
    return f"--minutes {options.minutes:g}{some} --held-out {options.held_out}"


def changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """With other values under dotted names."""
    said = recipe.to_json()
    for name, value in changes.items():
        *path, last = name.split(".")
        section = said
        for part in path:
            section = section[part]
        section[last] = value
    return Recipe.model_validate(said)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _judged(run: Run, recipe: Recipe, name: str, own: Recipe) -> dict[str, Any]:
    common = own if own.data.alike != recipe.data.alike else recipe
    result = compare_methods(run, common, [Contestant(name, own.distill.method, own)], [0])
    (trained,), spread = result.methods[name].runs, result.methods[name].summary["cross-space"]
    tars = {metric: rates and rates.tar for metric, rates in trained.rates.items()}
    told = {"steps": own.student.train.steps, "seconds": trained.train_s}
    return {**told, **tars, "spread": plain(spread)}


if __name__ == "__main__":
    main()
