"""One rank of a training that is watched and stops early: `torchrun rank_in_trouble.py WHAT OUT`.

WHAT befalls one of them: `nothing`, `loader` (the second cannot read), `killed` (the second, as by
an operator), `disk` (the first has no room for a checkpoint).
"""

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.head.margins import Margin
from embedge.train.loop import checkpoint, ranks, synced_norm
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded

STEPS, BATCH, PEOPLE, EACH, DIM = 50, 8, 6, 4, 16
RATES = (0.3, 0.2, 0.25, 0.2, 0.1)
WHAT, OUT = sys.argv[1], Path(sys.argv[2])


class Watched(TrainingChecks):
    """Improves once: with patience for two, the fourth look ends the training."""

    def __call__(self, network: torch.nn.Module) -> dict[str, float]:
        assert ranks.rank() == 0, "the first one looks for all"
        return {"eer": next(rates)}


class Read(Batches):
    """Notes which pictures this rank decoded."""

    def at(self, step: int) -> Batch:
        second = ranks.rank() == 1
        if second and WHAT == "loader" and step == 2:
            raise EmbedgeError("E-DATA-CORRUPT", "the second cannot read", remedy="Mend it")
        if second and WHAT == "killed" and step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        batch = super().at(step)
        with (OUT / f"decoded-{ranks.rank()}.txt").open("a") as file:
            print(step, *batch.index.tolist(), file=file)
        return batch


def in_order(_: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """The mean of all ranks' gradients, added up from the first rank to the last.

    A ring adds each place in another order, and where a gradient lies changes after the first step
    of a process: from three ranks on a resumed training would round otherwise.
    """
    mine = bucket.buffer()
    everybody = [torch.empty_like(mine) for _ in range(ranks.world())]
    dist.all_gather(everybody, mine)
    done = torch.futures.Future[torch.Tensor]()
    done.set_result(torch.stack(everybody).cumsum(0)[-1] / ranks.world())
    return done


def wrapped(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    made = spread(module, device)
    if isinstance(made, DistributedDataParallel):
        made.register_comm_hook(None, in_order)
    return made


def unasked(*_: object) -> None:
    raise AssertionError("batch norms look at their own rank's batch unless asked")


def full_disk(self: Any, path: Path) -> None:
    if int(self.facts["step"]) >= 4:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    written(self, path)


def main() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(PEOPLE), EACH)
    images = rng.integers(0, 256, (len(labels), 112, 112, 3)).astype(np.uint8)
    faces = FaceSet("patches", images, labels, tuple("abcdef"), "f")
    with seeded(1):
        head, rows = normalize(torch.randn(PEOPLE, DIM)), torch.randn(len(labels), DIM)
        network = mobilefacenet(DIM, scale=1, width=0.125)
        ingredients = Ingredients(PEOPLE, DIM, head, Margin(m2=0.2, scale=16.0), Weights(a=0.5))
        method = method_named("th-kd", ingredients)
    # plain steps: AdamW would magnify the order in which a norm of all gradients is added up
    schedule = Schedule(steps=STEPS, batch=BATCH, optimizer="sgd", lr=1e-3, warmup=0, amp="fp32")
    schedule = schedule.model_copy(update={"ema": 0.9, "checkpoint_every": 1})
    log = fit(
        "student",
        network,
        method,
        Read(faces, BATCH, 3),
        schedule,
        folder=OUT,
        progress=Progress(quiet=True),
        teacher=lambda batch: rows[batch.index],
        checks=Watched(faces, None, every=5, patience=2),
    )
    assert log["watch"]["step"] == [5, 10, 15, 20], log["watch"]
    if ranks.rank() == 0:
        weights = {k: v.contiguous() for k, v in network.state_dict().items()}
        save_file(weights, OUT / "end.safetensors")


if __name__ == "__main__":
    rates = iter(RATES)
    written, spread = checkpoint.HeldState.write, ranks.wrapped
    ranks.wrapped = wrapped
    synced_norm.all_reduce = unasked  # type: ignore[attr-defined]
    if WHAT == "disk":
        checkpoint.HeldState.write = full_disk  # type: ignore[method-assign]
    with ranks.joined():
        main()
