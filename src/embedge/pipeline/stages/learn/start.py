"""What a student begins with: nothing, or a slice of its teacher."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.cache import cached
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.head import School, school_cache
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.train.data.feeding.batches import pixels
from embedge.train.inherit import folded_teacher, slice_into
from embedge.train.loop.checkpoint import save_network
from embedge.train.models import MobileFaceNet
from embedge.train.models.tail import Tailed

__all__ = ["begun", "start_stage"]

_FILE = "start.safetensors"
_PICTURES = 3072


def start_stage(run: Run, recipe: Recipe, school: School, dim: int) -> Stage | None:
    """The slice, the same for every method and seed; None where students begin at random."""
    if recipe.student.start == "random":
        return None
    student = _plain(recipe, dim)
    cache = school_cache(run, recipe, school)

    def work(folder: Path) -> dict[str, Any]:
        teacher, faces = teacher_of(school.teacher), faces_of(school.faces)
        folded = folded_teacher(teacher)
        if teacher.dim != dim:
            raise _unfit(f"student.dim is {dim} but the teacher's embeddings have {teacher.dim}")
        rng = np.random.default_rng((recipe.data.seed, 3))
        chosen = rng.permutation(len(faces))[:_PICTURES]
        images = pixels(np.asarray(faces.images[chosen]))
        target = torch.from_numpy(cached(cache).plain[chosen].astype(np.float32))
        cosine = slice_into(student, folded, images, target)
        save_network(folder / _FILE, student)
        run.progress.say(f"  a slice of the teacher, at a cosine of {cosine:.3f} to it untrained")
        return {"cosine": cosine}

    wanted, seed = recipe.student, recipe.data.seed
    inputs = {"scale": wanted.scale, "activation": wanted.activation, "dim": dim, "seed": seed}
    return run.stage("start", inputs, [school.faces, school.teacher, cache], work)


def begun(network: Tailed, start: Stage | None) -> Tailed:
    if start is not None:
        start.opened(_FILE, lambda path: network.load_state_dict(load_file(path)))
    return network


def _plain(recipe: Recipe, dim: int) -> MobileFaceNet:
    wanted = recipe.student
    for key in ("width", "depth"):
        if getattr(wanted, key) != 1:
            raise _unfit(f"student.{key} is {getattr(wanted, key):g}")
    network = wanted.shape.network(dim)
    if not isinstance(network, MobileFaceNet):
        raise _unfit(f"student.architecture is {wanted.architecture}")
    return network


def _unfit(why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-START",
        f"this student cannot begin as a slice of its teacher: {why}",
        remedy="Make it a MobileFaceNet of width and depth 1 and of the teacher's dimension, or set"
        " student.start to random",
    )
