"""MobileFaceNet and RepFace at equal milliseconds in INT8 on this machine, on real faces.

    python benchmarks/architectures.py REAL_FOLDER [--steps 600] [--seeds 3] [--pictures N]

REAL_FOLDER as in benchmarks/unlabelled.py. Every RepFace stands beside the MobileFaceNet whose
INT8 takes as long here; both learn by the recipe `unlabelled` for as many steps, and are judged on
people nobody learnt from. Everything is kept in --out, a stopped call goes on where it was.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from provenance import provenance, write_result
from unlabelled import recipe_of

from embedge.bench.fitting.shapes import DeviceTimes
from embedge.bench.fitting.timing import device_times
from embedge.pipeline.fitting.candidates import Grid, write_candidates
from embedge.pipeline.fitting.choosing import Fit, fitted, shortlist, told
from embedge.pipeline.run import open_run
from embedge.progress import Progress
from embedge.typed import plain

BESIDE = Grid(("mobilefacenet",), (0.375, 0.5, 0.625, 0.75, 0.875, 1.0), (1.0,), ("relu",))
REP = Grid(("repface",), (0.75, 1.0), (1.0,), ("relu",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=120, help="of timing")
    parser.add_argument("--pictures", type=int, help="of utk; all unless given")
    parser.add_argument("--held-out", type=int, default=590, help="people of lfw-dev, to judge on")
    parser.add_argument("--out", type=Path, default=Path("runs/architectures"))
    options = parser.parse_args()
    facts = provenance("torch", "onnxruntime")
    facts["command"] = f"python benchmarks/architectures.py REAL_FOLDER --steps {options.steps}"
    recipe, device = recipe_of(options), _device(options)
    train = recipe.student.train.model_copy(update={"steps": options.steps, "epochs": None})
    student = recipe.student.model_copy(update={"train": train})
    recipe = recipe.model_copy(update={"student": student})
    pairs = _pairs(device)
    wanted = list({fit.shape.name: fit for pair in pairs for fit in pair}.values())
    with open_run(options.out / "students", recipe.to_json(), Progress(), update=False) as run:
        found = fitted(run, recipe, wanted, range(options.seeds))
    print(told(found, device, recipe.evaluate.gate_fmr))
    beside = [[fit.shape.name for fit in pair] for pair in pairs]
    trained = {"steps": options.steps, "batch": train.batch, "seeds": options.seeds}
    result = {"pairs": beside, "trained": [plain(fit) for fit in found], "device": plain(device)}
    write_result("architectures", {"provenance": facts, **trained, **result})


def _device(options: argparse.Namespace) -> DeviceTimes:
    kept, folder = options.out / "device.json", options.out / "shapes"
    if not kept.is_file():
        both = [write_candidates(folder, grid, 512, Progress()) for grid in (BESIDE, REP)]
        shapes = tuple(shape for one in both for shape in one.shapes)
        replace(both[0], shapes=shapes).write(folder / "shapes.json")
        device_times(folder, seconds=options.seconds, tell=print).write(kept)
    return DeviceTimes.read(kept)


def _pairs(device: DeviceTimes) -> list[tuple[Fit, Fit]]:
    """Every RepFace and the MobileFaceNet that takes as long in INT8."""
    fits = shortlist(device, 1e9, len(device.shapes), ["int8-cpu"])
    rep = [fit for fit in fits if fit.shape.architecture == "repface"]
    others = [fit for fit in fits if fit.shape.architecture == "mobilefacenet"]
    near = [min(others, key=lambda one: abs(one.timing.ms - fit.timing.ms)) for fit in rep]
    return list(zip(rep, near, strict=True))


if __name__ == "__main__":
    main()
