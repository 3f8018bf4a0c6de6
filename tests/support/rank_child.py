"""One rank of a training: `torchrun rank_child.py METHOD OUT` saves a small student."""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize

from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.data.feeding.batches import Batches
from embedge.train.head.margins import Margin
from embedge.train.loop import ranks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods import Ingredients, Weights, method_named
from embedge.train.models import mobilefacenet
from embedge.train.seeds import seeded

STEPS, PEOPLE, DIM = 20, 6, 16


def main(method_name: str, out: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(PEOPLE), 4)
    colours = rng.integers(0, 200, (PEOPLE, 7, 7, 3)).repeat(16, 1).repeat(16, 2)[labels]
    images = (colours + rng.integers(0, 50, colours.shape)).astype(np.uint8)
    faces = FaceSet("patches", images, labels, tuple("abcdef"), "f")
    with seeded(1):
        head, weights = normalize(torch.randn(PEOPLE, DIM)), Weights(a=0.5, beta=1.0)
        rows = torch.randn(len(labels), DIM)
        network = mobilefacenet(DIM, scale=1, width=0.125)
        ingredients = Ingredients(PEOPLE, DIM, head, Margin(m2=0.2, scale=16.0), weights)
        method = method_named(method_name, ingredients)
    schedule = Schedule(
        steps=STEPS,
        batch=24,
        optimizer="sgd",
        lr=3e-5,
        weight_decay=1e-3,
        warmup=0,
        clip=1.0,
        amp="fp32",
        ema=0.9,
        checkpoint_every=STEPS,
        sync_norm=True,
        # with channels last, torch's own norm in one process errs by 1e-5 of a variance itself
        channels_last=False,
    )
    with ranks.joined():
        fit(
            "student",
            network,
            method,
            Batches(faces, 24, 3),
            schedule,
            folder=out,
            progress=Progress(quiet=True),
            teacher=lambda batch: rows[batch.index],
        )
        if ranks.rank() == 0:
            learnt = {**network.state_dict(), **method.state_dict()}
            save_file({k: v.contiguous() for k, v in learnt.items()}, out / "end.safetensors")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
