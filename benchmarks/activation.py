"""What the activation costs in accuracy: PReLU, ReLU and ReLU6 students after equal distillation.

    python benchmarks/activation.py [--out RUN_FOLDER] [--seeds 3] [--steps 250] [--width 0.25]

The same teacher, faces, steps and seeds; only `student.activation` differs. Students learn by TH-KD
and are judged on rendered people nobody was trained on: the student's probes in the teacher's
gallery, and the student alone. Differences are paired by seed. About eight minutes on two quiet
cores; stopped and called again it goes on where it was.
"""

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from provenance import provenance, write_result

from embedge.config import load_recipe
from embedge.pipeline.comparing import METRICS, compare_methods, shown_fmr
from embedge.pipeline.stages import open_run
from embedge.progress import Progress
from embedge.recipe import Recipe

ACTIVATIONS = ("prelu", "relu", "relu6")
METHOD = "th-kd"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/activation"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--width", type=float, default=0.25)
    options = parser.parse_args()
    found = {name: _trained(name, options) for name in ACTIVATIONS}
    recipe = _recipe(ACTIVATIONS[0], options)
    fmr = f"{shown_fmr(recipe):g}"
    rows = {name: _row(found[name], found["prelu"], fmr) for name in ACTIVATIONS}
    for name, row in rows.items():
        print(f"{name:6}", "  ".join(_said(metric, row[metric], fmr) for metric in METRICS))
    facts = {"provenance": provenance("torch"), "recipe": recipe.to_json(), "fmr": fmr}
    write_result("activation", {**facts, "rows": rows, "runs": found})


def _recipe(activation: str, options: argparse.Namespace) -> Recipe:
    steps = ["--student.train.steps", str(options.steps)]
    size = ["--student.width", str(options.width), "--student.activation", activation]
    return load_recipe("compare", [*steps, *size])


def _trained(activation: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All seeds of one activation; the run folder keeps the stages that they share."""
    recipe = _recipe(activation, options)
    with open_run(options.out, recipe.to_json(), Progress(), update=True) as run:
        result = compare_methods(run, recipe, [METHOD], range(options.seeds))
    runs: list[dict[str, Any]] = result["methods"][METHOD]["runs"]
    return runs


def _row(runs: list[dict[str, Any]], against: list[dict[str, Any]], fmr: str) -> dict[str, Any]:
    """TAR in percent, and the points lost against PReLU, seed by seed."""
    row = dict[str, Any]()
    for metric in METRICS:
        tars = [100 * one[metric]["tar"][fmr] for one in runs]
        lost = [100 * other[metric]["tar"][fmr] - tar for tar, other in zip(tars, against)]
        spread = statistics.stdev(lost) if len(lost) > 1 else None
        row[metric] = {"tar": tars, "mean": statistics.fmean(tars)}
        row[metric] |= {"lost": lost, "lost_mean": statistics.fmean(lost), "lost_sd": spread}
    return row


def _said(metric: str, row: dict[str, Any], fmr: str) -> str:
    spread = f" ± {row['lost_sd']:.2f}" if row["lost_sd"] is not None else ""
    return f"{metric} TAR@{fmr} {row['mean']:.2f} %, lost {row['lost_mean']:+.2f}{spread}"


if __name__ == "__main__":
    main()
