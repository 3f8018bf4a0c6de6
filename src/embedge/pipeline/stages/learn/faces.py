"""The first two stages: faces to learn from, and other people to be judged on."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Data, Recipe
from embedge.pipeline.run import Run, Stage, nothing
from embedge.train.data import FaceDataset, FaceSet, open_faces
from embedge.train.data.feeding.pictures import CorruptLog, read_faces
from embedge.train.data.open import PICTURES, nameless
from embedge.train.data.overlap import require_apart
from embedge.train.data.sources.rendered import render_face_set, rendered_fingerprint
from embedge.train.data.view import View, check_unchanged, side_of

__all__ = ["faces_of", "held_out_stage", "train_faces_stage"]

# far from any identity that a teacher was trained on
_FIRST_HELD_OUT = 1_000_000_000


def train_faces_stage(run: Run, recipe: Recipe) -> Stage:
    data = recipe.data
    if data.source == "rendered":
        if data.extra:
            raise EmbedgeError(
                "E-RECIPE-KEY",
                "data.extra stands beside a data set, and data.source is rendered",
                remedy="Leave it out, or write the rendered people as rendered:500x40",
            )
        return _rendered(run, "faces", data, 0, data.identities, data.per_identity, note=True)
    return _noted(run, data)


def held_out_stage(run: Run, recipe: Recipe) -> Stage:
    data = recipe.data
    if data.source == "rendered":
        first, each = _FIRST_HELD_OUT, data.held_out_per_identity
        return _rendered(run, "held-out", data, first, data.held_out, each)
    return _copied(run, data)


def faces_of(stage: Stage) -> FaceDataset:
    """What a stage of faces left behind: pixels, or a note where they lie."""
    return open_faces(stage.folder)


def _rendered(
    run: Run, name: str, data: Data, first: int, people: int, each: int, *, note: bool = False
) -> Stage:
    """With a `note`, a rehearsal can open them: they are then rendered when they are read."""
    numbers = {"seed": data.seed, "first": first, "identities": people, "per_identity": each}

    def work(folder: Path) -> dict[str, Any]:
        faces = render_face_set(f"rendered {name}", folder, progress=run.progress, **numbers)
        return {"images": len(faces), "identities": faces.classes}

    def noted(folder: Path) -> dict[str, Any]:
        source = f"rendered:{people}x{each}@{data.seed}"
        View(source, "whole", 0, 0, None, open_faces(source).fingerprint).save(folder)
        return {"images": people * each, "identities": people}

    inputs = {"fingerprint": rendered_fingerprint(**numbers)}
    return run.stage(name, inputs, [], work, stand_in=noted if note else nothing)


def _noted(run: Run, data: Data) -> Stage:
    """Faces to learn from stay where they are, however many: the stage keeps a note of them."""
    whole = open_faces(data.source)
    beside = [nameless(one) if data.labels == "none" else one for one in data.extra]
    more = {_lasting(source): open_faces(source) for source in beside}
    extra = {source: faces.fingerprint for source, faces in more.items()}
    sizes = _sizes([whole, *more.values()])
    view = View(
        source=_lasting(data.source),
        side="learn",
        held_out=data.held_out,
        seed=data.seed,
        each=None,
        fingerprint=whole.fingerprint,
        extra=extra,
    )

    def work(folder: Path) -> dict[str, Any]:
        judged = side_of(whole, "held-out", data.held_out, data.seed)
        for faces in more.values():
            require_apart(judged, faces, "Leave these people out of `data.extra`")
        view.save(folder)
        faces = open_faces(folder)
        return {"images": len(faces), "identities": faces.classes, "sizes": sizes}

    inputs = {
        "of": whole.fingerprint,
        "held_out": data.held_out,
        "seed": data.seed,
        "extra": list(extra.values()),
    }
    stage = run.stage("faces", inputs, [], work, stand_in=work)
    # beside the key, which goes by the bytes of a few: runs of before have none
    check_unchanged(" + ".join((data.source, *data.extra)), sizes, stage.facts.get("sizes", sizes))
    return stage


def _sizes(sources: list[FaceDataset]) -> str:
    every = np.concatenate([faces.sizes() for faces in sources])
    return hashlib.sha256(every.astype("<i8").tobytes()).hexdigest()


def _lasting(source: str) -> str:
    """A path that means the same from any folder; other names as they are."""
    if source.startswith(PICTURES):
        return f"{PICTURES}{Path(source.removeprefix(PICTURES)).resolve()}"
    return str(Path(source).resolve()) if Path(source).exists() else source


def _copied(run: Run, data: Data) -> Stage:
    """Those to be judged on are few and read many times: their pixels are kept."""
    whole, each = open_faces(data.source), data.held_out_per_identity

    def work(folder: Path) -> dict[str, Any]:
        side = side_of(whole, "held-out", data.held_out, data.seed, each)
        read = read_faces(side, np.arange(len(side)))
        CorruptLog(side).add(read.corrupt)
        sound = read.index == np.arange(len(side))  # elsewhere a neighbour stands in
        FaceSet(
            side.name, read.images[sound], side.labels[sound], side.identities, side.fingerprint
        ).save(folder)
        failed = {error.name: error.reason for error in read.corrupt}
        return {"images": int(sound.sum()), "identities": side.classes, "failed": failed}

    inputs = {
        "of": whole.fingerprint,
        "held_out": data.held_out,
        "each": each,
        "seed": data.seed,
    }
    return run.stage("held-out", inputs, [], work)
