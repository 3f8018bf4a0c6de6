"""Asking teachers, feeding, training, and resuming, on faces that nobody has to decode."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from embedge.progress import Progress
from embedge.train.data import open_faces
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.data.feeding.feed import cores, feed, readers
from embedge.train.data.tools.convert import convert
from embedge.train.head.margins import Margin
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.models import mobilefacenet
from embedge.train.models.iresnet import iresnet
from embedge.train.seeds import seeded
from embedge.train.teachers.teacher import Placement
from embedge.train.teachers.torch_teacher import TorchTeacher
from gpu_parts.machine import device as ceilings
from gpu_parts.machine import wait
from gpu_parts.sizes import Sizes

QUIET = Progress(quiet=True)
_WAYS = ("eager", "compiled")


def teacher(sizes: Sizes) -> dict[str, Any]:
    """Pictures a second from bytes on the host to rows on the host."""
    faces, found = few_faces(sizes), dict[str, Any]()
    batch = min(512, sizes.asked)
    for depth in sizes.depths:
        with seeded(0):
            network = iresnet(depth, sizes.dim, channels=sizes.channels).eval()
        known = TorchTeacher(network, None, "", {"dim": sizes.dim})
        known.placed(Placement(sizes.device, sizes.amp, batch))  # type: ignore[arg-type]
        images = np.asarray(faces.images[:batch])
        known.features(images)
        began, asked = time.perf_counter(), 0
        while asked < sizes.asked:
            known.features(images)
            asked += batch
        macs = known.cost().macs or 0
        rate = asked / (time.perf_counter() - began)
        found[f"r{depth}"] = {"pictures_per_second": rate, "flops": 2 * macs * rate}
    return found


def loader(sizes: Sizes) -> dict[str, Any]:
    """RecordIO on disk to batches of bytes, by as many workers as a training takes."""
    mine = cores()
    workers = readers(sizes.device, mine, 1)
    with tempfile.TemporaryDirectory() as name:
        convert(
            few_faces(sizes, 2048),
            Path(name) / "rec",
            "recordio",
            QUIET,
            quality=95,
            per_shard=4096,
        )
        stored = Batches(open_faces(Path(name) / "rec"), sizes.batch, 0, jitter=False)
        warm, last = 2 * workers + 2, 2 * workers + 2 + sizes.steps
        stream = feed(stored, 0, last, workers=workers, say=print, pin=sizes.device == "cuda")
        for _ in range(warm):
            next(stream)
        began = time.perf_counter()
        count = sum(len(batch.images) for batch in stream)
        seconds = time.perf_counter() - began
    return {"workers": workers, "cores": mine, "pictures_per_second": count / seconds}


def training(sizes: Sizes) -> dict[str, Any]:
    """Pictures a second between steps, and what its products and its memory would allow."""
    most = ceilings(sizes)
    return {"ceilings": most, "eager": _paced(sizes, most, compiled=False)}


def compiled(sizes: Sizes) -> dict[str, Any]:
    """The same through torch.compile; its first steps, in which it compiles, are not counted."""
    if sizes.device != "cuda":
        return {"skipped": "benchmarks/training_speed.py --compile tries it on a processor"}
    most = ceilings(sizes)
    both = {name: _paced(sizes, most, compiled=name == "compiled") for name in _WAYS}
    eager, fast = (both[name]["pictures_per_second"] for name in _WAYS)
    return {**both, "gain": fast / eager}


def _paced(sizes: Sizes, most: dict[str, Any], *, compiled: bool) -> dict[str, Any]:
    if sizes.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        rate = _trained(sizes, Path(folder), sizes.steps, compiled=compiled).rate()
    head = 6 * 2 * sizes.people * sizes.dim  # FLOP a picture: six products
    return {
        "pictures_per_second": rate,
        "head_share_of_matmul": rate * head / most["matmul_flops"],
        "peak_bytes": torch.cuda.max_memory_allocated() if sizes.device == "cuda" else None,
    }


def resume(sizes: Sizes) -> dict[str, Any]:
    """Weights of a run that was killed half way, against those of one that was not."""
    ends = []
    for stops in ((6,), (3, 6)):
        with tempfile.TemporaryDirectory() as folder:
            for stop in stops:
                clock = _trained(sizes, Path(folder), 6, ema=0.9, stop=stop)
            ends.append(clock.weights)
    worst = max(float((ends[0][k].double() - ends[1][k].double()).abs().max()) for k in ends[0])
    if worst > 1e-2:  # sums of a GPU come in any order
        raise RuntimeError(f"resumed weights differ by {worst}")
    return {"largest_difference": worst, "bit_exact": worst == 0}


class _Stopped(Exception):
    """Where a process would have been killed."""


class _Clock:
    """Answers for the teacher once a step, and notes when it was asked."""

    def __init__(self, sizes: Sizes, rows: Tensor, stop: int | None):
        self.sizes, self.rows, self.stop = sizes, rows, stop
        self.times: list[float] = []
        self.weights: dict[str, Tensor] = {}

    def __call__(self, batch: Batch) -> Tensor:
        if self.stop is not None and len(self.times) == self.stop:
            raise _Stopped
        if len(self.times) % 10 == 0:
            wait(self.sizes)
        self.times.append(time.perf_counter())
        return self.rows[batch.index]

    def rate(self) -> float:
        """Between two moments at which the device was waited for."""
        last = (len(self.times) - 1) // 10 * 10
        first = min(20, last - 10) if last > 10 else 0
        last = last or len(self.times) - 1
        return (last - first) * self.sizes.batch / (self.times[last] - self.times[first])


def _trained(
    sizes: Sizes,
    folder: Path,
    steps: int,
    *,
    compiled: bool = False,
    ema: float = 0.0,
    stop: int | None = None,
) -> _Clock:
    faces = few_faces(sizes)
    with seeded(1):
        head = normalize(torch.randn(sizes.people, sizes.dim))
        rows = torch.randn(len(faces), sizes.dim)
        network = mobilefacenet(sizes.dim, scale=1, width=sizes.width)
        weights = Weights(head_dtype="bf16", logits_mb=1 << 14)
        margin = Margin(m2=0.5, scale=64.0)
        method = method_named("th-kd", Ingredients(sizes.people, sizes.dim, head, margin, weights))
    schedule = Schedule(
        steps=steps,
        batch=sizes.batch,
        optimizer="sgd",
        lr=1e-3,
        warmup=0,
        amp=sizes.amp,  # type: ignore[arg-type]
        ema=ema,
        compile=compiled,
        device=sizes.device,  # type: ignore[arg-type]
        checkpoint_every=3 if stop else 10**9,
        jitter=False,
    )
    clock = _Clock(sizes, rows, stop if stop != steps else None)
    try:
        fit(
            "student",
            network,
            method,
            Batches(faces, sizes.batch, 5, flip=True, jitter=False),
            schedule,
            folder=folder,
            progress=QUIET,
            teacher=clock,
        )
    except _Stopped:
        return clock
    clock.weights = {name: value.cpu() for name, value in network.state_dict().items()}
    return clock


def few_faces(sizes: Sizes, most: int | None = None) -> FaceSet:
    """Smooth noise: JPEGs of it are about as large as those of faces."""
    count = min(sizes.pictures, most or sizes.pictures)
    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (count, 14, 14, 3), dtype=np.uint8)
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    people = min(sizes.people, count)
    labels = np.sort(np.arange(count) % people)
    return FaceSet("noise", images, labels, tuple(map(str, range(people))), "noise")
