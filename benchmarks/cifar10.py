"""The papers' own order: small residual teacher and student on CIFAR-10, every method to its end.

    python benchmarks/cifar10.py REAL_FOLDER [--seeds 3] [--minutes 95] [--methods kd,th-kd]

REAL_FOLDER holds cifar10.zip (train/CLASS/*.jpg, test/CLASS/*.jpg). One teacher; every seed draws
students anew, and in SH-KD shapes the teacher anew to that seed's first student, for as long as the
teacher learnt. All see the same views of every picture, and so does the teacher. --minutes are for
all of it; how fast this machine learns is measured once and kept. Every result is stored as it
comes, a stopped call goes on where it was. --held-out N judges on the last N training pictures
instead, to choose settings by. --trial N takes N pictures, to try the way.
"""

import argparse
import io
import json
import os
import statistics
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import numpy as np
import torch
from classify import CLASSIFY_METHODS, Classifier, Contest, Views, looked
from classify.paired import told_apart
from classify.residual import residual
from numpy.typing import NDArray
from PIL import Image
from provenance import provenance, write_result
from results_cifar10 import told_of
from results_page import write_page
from torch import nn
from torch.nn.functional import cosine_similarity

from embedge.cli.numbers import COUNT
from embedge.files import whole_file, write_json
from embedge.progress import Progress
from embedge.train.loop.schedule import Schedule
from embedge.train.models.cost import macs_of, parameters_of
from embedge.train.models.quick.compiled import prepared

CHOSEN = {"a": 0.5, "alpha": 1.0, "beta": 1.0, "temperature": 4.0, "distance": 1.0}
SCHEDULE = Schedule(
    batch=256,
    optimizer="sgd",
    nesterov=True,
    lr=0.4,  # best of 0.1, 0.2, 0.4, 0.8 after two epochs, on pictures held out of the training set
    weight_decay=5e-4,
    warmup=100,
    amp="auto",
)
MOST_VIEWS = 10


def teacher() -> nn.Module:
    return residual(blocks=2, width=32, features=128, stem_stride=2)


def student() -> nn.Module:
    return residual(blocks=1, width=16, features=128, stem_stride=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("--seeds", type=COUNT, default=3)
    parser.add_argument("--minutes", type=float, default=95, help="for everything")
    parser.add_argument("--epochs", type=COUNT, help="instead of --minutes")
    parser.add_argument("--methods", default=",".join(CLASSIFY_METHODS))
    parser.add_argument("--held-out", type=int, default=0, help="training pictures to judge on")
    parser.add_argument("--trial", type=COUNT, help="pictures; no result is written")
    parser.add_argument("--out", type=Path, default=Path("runs/cifar10"))
    options = parser.parse_args()
    facts = provenance("torch", "pillow")
    length = f"--epochs {options.epochs}" if options.epochs else f"--minutes {options.minutes:g}"
    length += f" --seeds {options.seeds}"
    facts["command"] = f"python benchmarks/cifar10.py REAL_FOLDER {length}"
    options.methods = [name for name in options.methods.split(",") if name]
    if not options.methods or not set(options.methods) <= set(CLASSIFY_METHODS):
        parser.error(f"--methods are some of {','.join(CLASSIFY_METHODS)}")
    study = _opened(options)
    for seed in range(options.seeds):
        for method in options.methods:
            study.result(seed, method)
            told = study.told(options.seeds, options.methods)
            if not (options.trial or options.held_out):
                write_result("classification-cifar10", {"provenance": facts, **told})
    print(told_of(told))
    if not (options.trial or options.held_out):
        write_page()


@dataclass(frozen=True, slots=True)
class Judged:
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Study:
    learn: Views
    judge: Judged
    epochs: int
    folder: Path
    progress: Progress

    def contest(self, seed: int, folder: Path) -> Contest:
        steps = self.epochs * (len(self.learn) // SCHEDULE.batch)
        schedule = SCHEDULE.model_copy(update={"steps": steps})
        schedule = schedule.model_copy(update={"warmup": min(SCHEDULE.warmup, steps // 10)})
        parts = (self.learn, teacher, student, schedule, seed, folder, self.progress)
        return Contest(*parts, **CHOSEN)

    def teacher(self) -> Classifier:
        return self.contest(0, self.folder / "teacher").trained_teacher()

    def result(self, seed: int, method: str) -> dict[str, Any]:
        """Of one student; kept, and what it answered beside it."""
        folder = self.folder / f"seed-{seed}"
        kept = folder / f"{method}.json"
        if not kept.is_file():
            began, contest = time.monotonic(), self.contest(seed, folder)
            teaching = known = self.teacher()
            pupil = contest.distilled(method, known)
            if method == "sh-kd":
                teaching = contest.shaped(known)
            right, found = self._judged(pupil, teaching)
            found |= {"seconds": time.monotonic() - began, "teacher": self._alone(teaching)}
            with whole_file(kept.with_suffix(".npy")) as part, part.open("wb") as file:
                np.save(file, right)
            write_json(kept, found)
        read: dict[str, Any] = json.loads(kept.read_text())
        return read

    def told(self, seeds: int, methods: list[str]) -> dict[str, Any]:
        """Of everything that is there; methods are compared on the seeds that all of them have."""
        runs = {name: self._runs(name, seeds) for name in methods}
        whole = {name: each for name, each in runs.items() if len(each) == seeds}
        rights = {name: np.stack([self._right(s, name) for s in range(seeds)]) for name in whole}
        return {
            "epochs": self.epochs,
            "views": self.learn.views,
            "pictures": len(self.learn),
            "judged": len(self.judge.labels),
            "kernels": prepared(),
            "networks": {"teacher": _size(teacher()), "student": _size(student())},
            "settings": CHOSEN,
            "schedule": SCHEDULE.model_dump(mode="json"),
            "accuracy": {
                name: _spread([run["accuracy"] for run in each])
                for name, each in runs.items()
                if each
            },
            "runs": runs,
            "pairs": told_apart(rights) if len(rights) > 1 else [],
        }

    def _runs(self, method: str, seeds: int) -> list[dict[str, Any]]:
        paths = [self.folder / f"seed-{seed}" / f"{method}.json" for seed in range(seeds)]
        return [json.loads(path.read_text()) for path in paths if path.is_file()]

    def _right(self, seed: int, method: str) -> NDArray[np.bool_]:
        right: NDArray[np.bool_] = np.load(self.folder / f"seed-{seed}" / f"{method}.npy")
        return right

    def _judged(
        self, pupil: Classifier, teaching: Classifier
    ) -> tuple[NDArray[np.bool_], dict[str, Any]]:
        features = looked(pupil.backbone, self.judge.images)
        shares = pupil.heads.log_shares(features).argmax(1)
        right = shares.numpy() == self.judge.labels
        found: dict[str, Any] = {"accuracy": float(right.mean())}
        for name, _, logits in pupil.heads.answers(features):
            found[f"by {name} head"] = self._share(logits)
        theirs = looked(teaching.backbone, self.judge.images)
        found["cosine to its teacher"] = float(cosine_similarity(features, theirs).mean())
        return right, found

    def _alone(self, one: Classifier) -> float:
        """A teacher's accuracy by its own head: of a shaped one that is the shared head's."""
        return self._share(one.heads.log_shares(looked(one.backbone, self.judge.images)))

    def _share(self, logits: torch.Tensor) -> float:
        return float((logits.argmax(1).numpy() == self.judge.labels).mean())


def _opened(options: argparse.Namespace) -> Study:
    learn, test = (_pictures(options.real, part, options.out) for part in ("train", "test"))
    judge = Judged(*test)
    if options.trial:
        learn = learn[0][: options.trial], learn[1][: options.trial]
    if options.held_out:
        images, labels = learn
        judge = Judged(images[-options.held_out :], labels[-options.held_out :])
        learn = images[: -options.held_out], labels[: -options.held_out]
    if len(learn[1]) < SCHEDULE.batch:
        sys.exit(f"{len(learn[1])} pictures to learn from are less than a batch: {SCHEDULE.batch}")
    epochs = options.epochs or _epochs(options, len(learn[1]))
    name = f"epochs-{epochs}" + (f"-held-out-{options.held_out}" if options.held_out else "")
    folder = options.out / (name + (f"-trial-{options.trial}" if options.trial else ""))
    views = Views(*learn, min(epochs, MOST_VIEWS), folder / "said")
    return Study(views, judge, epochs, folder, Progress())


def _pictures(real: Path, part: str, out: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Decoded once; in an order of their own, so that the last ones are of every class."""
    kept = out / f"{part}.npz"
    if not kept.is_file():
        with zipfile.ZipFile(real / "cifar10.zip") as held:
            names = sorted(n for n in held.namelist() if n.endswith(".jpg") and f"{part}/" in n)
            images = np.stack([_decoded(held.read(name)) for name in names])
        classes = sorted({Path(name).parent.name for name in names})
        labels = np.array([classes.index(Path(name).parent.name) for name in names])
        order = np.random.default_rng(0).permutation(len(names))
        with whole_file(kept) as file, file.open("wb") as opened:
            np.savez(opened, images=images[order], labels=labels[order])
    with np.load(kept) as found:
        return found["images"], found["labels"]


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _epochs(options: argparse.Namespace, pictures: int) -> int:
    """As many as the minutes are worth here, with a tenth to spare."""
    kept = options.out / "images-a-second.json"
    if not kept.is_file():
        write_json(kept, _paces(options.out))
    slow, quick, asked = (1 / pace for pace in json.loads(kept.read_text()))
    shaped = options.seeds * ("sh-kd" in options.methods)
    learners = options.seeds * len(options.methods)
    an_epoch = pictures * (learners * quick + (1 + shaped) * (slow + asked))
    return max(2, int(0.9 * 60 * options.minutes / an_epoch))


def _paces(out: Path) -> tuple[float, float, float]:
    """Of a teacher trained, a student trained, a teacher asked."""
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (2560, 32, 32, 3)).astype(np.uint8)
    views = Views(some, rng.integers(0, 10, len(some)), 1, out / "pace")
    trained = [_pace(make, views) for make in (teacher, student)]
    began = time.perf_counter()
    looked(teacher(), some, views.varied(0))
    return trained[0], trained[1], len(some) / (time.perf_counter() - began)


def _pace(make: Callable[[], nn.Module], views: Views) -> float:
    """Of twenty steps, once a few have warmed everything up."""
    seconds = 0.0
    for steps in (3, 20):
        schedule, quiet = SCHEDULE.trial(steps), Progress(quiet=True)
        with TemporaryDirectory(prefix="embedge-pace-") as name:
            contest = Contest(views, make, make, schedule, 0, Path(name), quiet)
            began = time.perf_counter()
            contest.trained_teacher()
            seconds = time.perf_counter() - began
    return 20 * SCHEDULE.batch / seconds


def _size(network: nn.Module) -> dict[str, int]:
    macs = macs_of(network, 32)
    return {"parameters": parameters_of(network), "macs": macs}


def _spread(values: list[float]) -> dict[str, float]:
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": sd, "n": len(values)}


if __name__ == "__main__":
    main()
