"""Train a teacher: an IResNet with a margin softmax on labelled faces."""

from pathlib import Path
from typing import Any

from embedge.progress import Progress
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.feeding.batches import Batches
from embedge.train.head.margins import Margin
from embedge.train.loop import ranks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import fit
from embedge.train.methods.parts.method import Ingredients, Weights
from embedge.train.methods.scratch import Scratch
from embedge.train.models import iresnet
from embedge.train.seeds import seeded
from embedge.train.teachers import save_teacher

__all__ = ["train_teacher"]


def train_teacher(
    faces: FaceDataset,
    schedule: Schedule,
    margin: Margin,
    *,
    depth: int,
    channels: tuple[int, int, int, int],
    dim: int,
    seed: int,
    out: Path,
    progress: Progress,
    flip: bool = False,
    weights: Weights | None = None,
) -> dict[str, list[float]]:
    """Write the teacher to `out` and return its training curves; `weights` say how much memory
    the logits may take."""
    schedule = schedule.over(len(faces))
    with seeded(seed):
        network = iresnet(depth, dim, channels=channels)
        method = Scratch(Ingredients.without_teacher(faces.classes, dim, margin, weights))
    batches = Batches(faces, schedule.batch, seed, flip=flip, jitter=schedule.jitter)
    curves = fit(
        "teacher", network, method, batches, schedule, folder=out.parent, progress=progress
    )
    facts: dict[str, Any] = {
        "depth": depth,
        "channels": list(channels),
        "dim": dim,
        "faces": faces.fingerprint,
        "identities": list(faces.identities),
        "steps": schedule.steps,
        "batch": schedule.batch,
        "seed": seed,
    }
    if ranks.rank() == 0:
        save_teacher(out, network, method.head, facts)
    return curves
