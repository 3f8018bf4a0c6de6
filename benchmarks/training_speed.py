"""Pictures a second of training a MobileFaceNet on this machine's CPU, lever by lever.

    python benchmarks/training_speed.py [--rounds 5] [--seconds 600] [--batch 64] [--compile]

With --compile the plain network, all kernels and torch.compile take turns, and how many times as
fast torch.compile is as either stands in a file of its own.

Every way takes its turn in every round; a way's figure is the median of its rounds. Beside the
wall clock stands the processors' own time, which neighbours on a busy machine disturb less.
The losses from one start tell whether the ways learn the same.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import torch
from plain_torch import switched_off
from provenance import provenance, write_result
from torch import Tensor, nn

from embedge.train.models import mobilefacenet
from embedge.train.models.quick import layers
from embedge.train.models.quick.compiled import prepared

Kernels = Literal["none", "norm", "all"]
DIM = 512
KINDS = "fp32", "bf16"
_PLAIN, _KERNELS, _COMPILED = "plain", "and with filters", "torch.compile"


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    amp: bool
    kernels: Kernels
    activation: Literal["prelu", "relu"] = "prelu"
    compiled: bool = False


WAYS = (
    Way("plain, fp32", False, "none"),
    Way("norm with activation, fp32", False, "norm"),
    Way("and with filters, fp32", False, "all"),
    Way("plain, bf16", True, "none"),
    Way("norm with activation, bf16", True, "norm"),
    Way("and with filters, bf16", True, "all"),
    Way("plain, bf16, relu", True, "none", "relu"),
    Way("and with filters, bf16, relu", True, "all", "relu"),
)
COMPILED = (
    Way("torch.compile, fp32", False, "none", compiled=True),
    Way("torch.compile, bf16", True, "none", compiled=True),
)


class Trainee:
    """A network, pictures and what they are to become; the same for every way."""

    def __init__(self, way: Way, batch: int):
        torch.manual_seed(0)
        self.way = way
        network = mobilefacenet(DIM, scale=1, activation=way.activation).train()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = torch.compile(self.network, dynamic=False) if way.compiled else self.network
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4)
        images = torch.randn(batch, 3, 112, 112)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.wanted = nn.functional.normalize(torch.randn(batch, DIM))

    def step(self) -> float:
        with _kernels(self.way.kernels), torch.autocast("cpu", torch.bfloat16, self.way.amp):
            embedding = self.forward(self.images).float()
        loss = 1 - (nn.functional.normalize(embedding) * self.wanted).sum(1).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


@contextmanager
def _kernels(which: Kernels) -> Iterator[None]:
    fits, layers._fits = layers._fits, layers._fits if which == "all" else _never
    try:
        with switched_off() if which == "none" else nullcontext():
            yield
    finally:
        layers._fits = fits


def _never(_: nn.Conv2d) -> bool:
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=600, help="after which no round begins")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--few", action="store_true", help="plain and all kernels alone, prelu")
    parser.add_argument("--compile", action="store_true", help="--few, and torch.compile beside it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    facts, ways = provenance("torch"), WAYS
    if options.few or options.compile:
        ways = tuple(w for w in ways if w.kernels != "norm" and w.activation == "prelu")
    ways += COMPILED if options.compile else ()
    measured = _measured([Trainee(way, options.batch) for way in ways], options)
    result = {
        "provenance": facts,
        "kernels": prepared(),
        "batch": options.batch,
        "threads": options.threads,
        "rounds": min(len(way["rounds"]) for way in measured.values()),
        "ways": measured,
        "times_plain": {k: _gain(measured, _KERNELS, _PLAIN, k) for k in KINDS},
        "largest_loss_gap": {kind: _gap(measured, kind) for kind in KINDS},
    }
    if options.compile:
        result["compiled_times_plain"] = {k: _gain(measured, _COMPILED, _PLAIN, k) for k in KINDS}
        result["compiled_times_kernels"] = {
            k: _gain(measured, _COMPILED, _KERNELS, k) for k in KINDS
        }
    few = "_few" if options.few else ""
    write_result("training_speed_compile" if options.compile else f"training_speed{few}", result)


def _measured(trainees: list[Trainee], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    wall, own = ({one.way.name: [] for one in trainees} for _ in range(2))
    losses: dict[str, list[float]] = {one.way.name: [one.step()] for one in trainees}
    until = time.monotonic() + options.seconds
    for _ in range(options.rounds):
        if time.monotonic() > until:
            break
        for one in trainees:
            began = time.perf_counter(), time.process_time()
            losses[one.way.name].append(one.step())
            wall[one.way.name].append(options.batch / (time.perf_counter() - began[0]))
            spent = (time.process_time() - began[1]) / options.threads
            own[one.way.name].append(options.batch / spent)
    return {
        name: {
            "images_a_second": round(statistics.median(wall[name]), 1),
            "images_a_second_of_own_time": round(statistics.median(own[name]), 1),
            "rounds": [round(value, 1) for value in own[name]],
            "losses": losses[name],
        }
        for name in wall
    }


def _gain(measured: dict[str, dict[str, Any]], way: str, over: str, kind: str) -> dict[str, float]:
    """One way's speed over another's, by both clocks."""
    fast, slow = measured[f"{way}, {kind}"], measured[f"{over}, {kind}"]
    keys = "images_a_second", "images_a_second_of_own_time"
    return {key: round(fast[key] / slow[key], 2) for key in keys}


def _gap(measured: dict[str, dict[str, Any]], kind: str) -> float:
    mine, plain = (measured[f"{way}, {kind}"]["losses"] for way in (_KERNELS, _PLAIN))
    return float((Tensor(mine) - Tensor(plain)).abs().max())


if __name__ == "__main__":
    main()
