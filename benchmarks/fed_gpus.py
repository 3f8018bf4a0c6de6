"""GPUs that are fed by the cores of one machine, step by step: what holds them up.

    python benchmarks/fed_gpus.py [--recipe ms1mv3-th-kd] [--gpus 8] [--gpu h200]

A simulation, not a run. Each GPU has workers that decode batches into a queue of bounded length, a
copy over PCIe beside the step before, and a step that begins when all GPUs have their batch and
ends for all together. The decoding rate is the one measured by benchmarks/loader.py, each batch
a little slower or faster; copy and step follow from the rates of `embedge plan`.
"""

import argparse
import json
import sys
from dataclasses import dataclass

import numpy as np
from provenance import RESULTS, provenance, write_result

from embedge.pipeline.budget.predicting import Amount, Fleet, budget_of
from embedge.pipeline.budget.rates import GPUS
from embedge.pipeline.recipe_file import load_recipe
from embedge.train.data.feeding.feed import ahead_of

PCIE = 64e9 * 0.8  # bytes/s one way: PCIe 5.0 ×16 as published, of which 80 % is assumed
FACE = 112 * 112 * 3
STEPS, WARM = 400, 100  # queues are empty at first: what is told begins behind that
SPREAD = 0.15  # deviation of a batch's decoding time, assumed
CORES = (16, 32, 64, 96, 128, 192)
MS1MV3 = Amount(5_179_510, 93_431)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one batch of one GPU."""

    decode: float
    copy: float
    step: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="ms1mv3-th-kd")
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--gpu", default="h200", choices=sorted(GPUS))
    parser.add_argument("--out", default="fed_gpus")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, planned=True)
    batch = recipe.student.train.batch // options.gpus
    decode = _measured()
    rows = []
    for cores in CORES:
        budget = budget_of(recipe, Fleet(GPUS[options.gpu], options.gpus, cores), MS1MV3)
        (student,) = [one for one in budget.stretches if one.what == "student"]
        alone = min(rate for name, rate in student.rates.items() if name != "decoding")
        step = batch * options.gpus / alone
        times = Times(batch / decode, batch * FACE / PCIE, step)
        readers = max(1, (cores - options.gpus) // options.gpus)
        rows.append({"cores": cores, **fed(times, options.gpus, readers, batch)})
        print(rows[-1])
    write_result(
        options.out,
        {
            "provenance": provenance("torch"),
            "state": "simulated; no GPU was there",
            "recipe": options.recipe,
            "gpus": options.gpus,
            "gpu": options.gpu,
            "faces_per_second_a_core": decode,
            "rows": rows,
        },
    )
    return 0


def _measured() -> float:
    found = json.loads((RESULTS / "loader.json").read_text())["batches"]
    return float(found["faces_per_second"]) / int(found["workers"])


def fed(times: Times, gpus: int, readers: int, batch: int) -> dict[str, object]:
    """Pictures a second over all GPUs, what share of the time they wait, and for what."""
    draw = np.random.default_rng(0)
    room = readers * ahead_of(batch, readers)
    free = np.zeros((gpus, readers))  # when each worker can begin its next batch
    began = np.zeros((STEPS, gpus))  # when each step began: a place in the queue is free then
    ended = warm = 0.0
    waited = {"decoding": 0.0, "copying": 0.0}
    for step in range(STEPS):
        if step == WARM:
            warm, waited = ended, dict.fromkeys(waited, 0.0)
        reader = step % readers
        opened = began[step - room] if step >= room else np.zeros(gpus)
        took = times.decode * np.maximum(draw.normal(1, SPREAD, gpus), 0.3)
        free[:, reader] = np.maximum(free[:, reader], opened) + took
        decoded = free[:, reader].max()
        # a copy runs beside the step before, behind the copy of that step's batch
        copied = max(decoded, began[step - 1].max() if step else 0.0) + times.copy
        start = max(ended, copied)
        waited["decoding"] += max(0.0, decoded - ended)
        waited["copying"] += max(0.0, start - max(ended, decoded))
        began[step] = start
        ended = start + times.step
    lost = float(sum(waited.values()) / (ended - warm))
    worst = max(waited, key=lambda name: waited[name])
    return {
        "readers_a_gpu": readers,
        "pictures_per_second": round((STEPS - WARM) * batch * gpus / (ended - warm)),
        "waiting": round(lost, 3),
        "bottleneck": "the GPUs' own steps" if lost < 0.02 else worst,
    }


if __name__ == "__main__":
    sys.exit(main())
