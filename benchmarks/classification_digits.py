"""TH-KD, SH-KD, L2E, ProxylessKD and KD on scikit-learn's digits: offline, minutes, many seeds.

    python benchmarks/classification_digits.py [--teacher PATH --student PATH --seeds N]

Backbones are given by import path, `package.module:callable`.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import torch
from classify import (
    CLASSIFY_METHODS,
    Contest,
    Pictures,
    accuracy_of,
    backbone_from_path,
)
from provenance import provenance, write_result
from results_page import write_page
from sklearn.datasets import load_digits

from embedge.progress import Progress
from embedge.train.loop.schedule import Schedule

# few pictures to learn from: with all of them every method reaches the teacher
LEARN = 200
SCHEDULE = Schedule(
    steps=400,
    batch=64,
    lr=5e-3,
    weight_decay=1e-2,
    warmup=20,
    amp="fp32",
    checkpoint_every=400,
    channels_last=False,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default="classify.small:convolutional")
    parser.add_argument("--student", default="classify.small:thin")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    runs = [_run(options, seed) for seed in range(options.seeds)]
    accuracy = {name: _spread([run[name] for run in runs]) for name in runs[0]}
    for name, found in accuracy.items():
        print(f"{name:<24} {100 * found['mean']:6.2f} ± {100 * found['sd']:.2f} %")
    more = {"learn": LEARN, "seeds": options.seeds, "accuracy": accuracy, "runs": runs}
    write_result(
        "classification-digits", {"provenance": provenance("torch", "scikit-learn"), **more}
    )
    write_page()


def _run(options: argparse.Namespace, seed: int) -> dict[str, float]:
    learn, judge = _digits(seed)
    with tempfile.TemporaryDirectory() as folder:
        contest = Contest(
            learn,
            lambda: backbone_from_path(options.teacher),
            lambda: backbone_from_path(options.student),
            SCHEDULE,
            seed,
            Path(folder),
            Progress(quiet=True),
        )
        teacher = contest.trained_teacher()
        shaped = accuracy_of(contest.shaped(teacher), judge)
        found = {"teacher": accuracy_of(teacher, judge), "teacher shaped for sh-kd": shaped}
        for method in CLASSIFY_METHODS:
            found[method] = accuracy_of(contest.distilled(method, teacher), judge)
    return found


def _digits(seed: int) -> tuple[Pictures, Pictures]:
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    labels = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    first, rest = order[:LEARN], order[LEARN:]
    return Pictures(images[first], labels[first]), Pictures(images[rest], labels[rest])


def _spread(values: list[float]) -> dict[str, float]:
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


if __name__ == "__main__":
    main()
