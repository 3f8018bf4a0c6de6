"""The classifier that teacher and students share: the teacher's own rows, or class centres."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import whole_file, write_json
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.cache import cache_stage, cached
from embedge.pipeline.stages.learn.faces import faces_of
from embedge.pipeline.stages.learn.teacher import LOOKED_AT, classes_of, teacher_of
from embedge.train.data import FaceDataset
from embedge.train.data.sources.joined import JoinedFaces
from embedge.train.data.splits import Regrouped, Subset
from embedge.train.head.recovery.centres import TRIM, recovered_centres
from embedge.train.head.recovery.grouping import grouped
from embedge.train.head.recovery.refinement import probed_head
from embedge.train.seeds import seeded
from embedge.train.teachers import Teacher

__all__ = [
    "HeadFacts",
    "School",
    "head_of",
    "head_stage",
    "lesson_faces",
    "save_any_head",
    "save_head",
    "school_cache",
]

_RECOGNISED = 0.5
_GROUPS = "groups.safetensors"


@dataclass(frozen=True, slots=True)
class HeadFacts:
    source: str
    classes: int
    recovered: str | None = None
    """what the class centres look like, where the teacher had no classifier"""
    reduced: int | None = None
    names: dict[str, float] | None = None
    """of a shared head that was made here: which share of pictures it names, and by whom"""


@dataclass(frozen=True, slots=True)
class School:
    """What every student is taught with."""

    faces: Stage
    teacher: Stage
    head: Stage


def head_stage(
    run: Run, recipe: Recipe, faces: Stage, teacher: Stage, methods: Sequence[str] = ()
) -> Stage:
    """Of one that would have to be recovered and that none of `methods` borrows only the size."""
    known, pictures = teacher_of(teacher), faces_of(faces)
    if recipe.data.labels == "none":
        return _grouped(run, recipe, faces, teacher, known)
    own = pictures.parts[0] if isinstance(pictures, JoinedFaces) else pictures
    rows = _own_rows(known, own)
    if rows is None or own is not pictures:
        if not recipe.borrows(*methods):
            return _unborrowed(run, faces, teacher, pictures.classes, known.dim)
        return _recovered(run, recipe, faces, teacher, known, rows)

    def work(folder: Path) -> HeadFacts:
        if not known.identities:
            _confirm_order(rows, known, pictures)
        save_head(folder, rows)
        return HeadFacts("the teacher's own classifier", len(rows))

    return run.stage("head", {}, [faces, teacher], work, stand_in=work)


def school_cache(run: Run, recipe: Recipe, school: School) -> Stage:
    """The one that a whole school shares. A teacher whose centres were recovered has its mirrored
    embeddings already."""
    flip = recipe.data.flip or school.head.read(HeadFacts).recovered is not None
    dim = head_of(school.head).shape[1]
    return cache_stage(
        run,
        school.faces,
        school.teacher,
        recipe.teacher.placement,
        dim=dim,
        flip=flip,
        zeros=recipe.data.labels == "none",
    )


def save_head(folder: Path, head: Tensor, name: str = "head") -> None:
    with whole_file(folder / f"{name}.safetensors") as part:
        save_file({"head": head.contiguous()}, part)


def save_any_head(folder: Path, classes: int, dim: int) -> HeadFacts:
    """One of the right size, to rehearse with."""
    with seeded(0):
        save_head(folder, torch.nn.functional.normalize(torch.randn(classes, dim)))
    return HeadFacts("any", classes)


def head_of(stage: Stage, name: str = "head") -> Tensor:
    return stage.opened(f"{name}.safetensors", lambda path: load_file(path)["head"])


def lesson_faces(school: School) -> tuple[FaceDataset, NDArray[np.int64] | None]:
    """What is learnt from, and where names were not asked for: its rows of the cache."""
    faces = faces_of(school.faces)
    if not (school.head.folder / _GROUPS).is_file():
        return faces, None
    found = school.head.opened(_GROUPS, load_file)
    rows, labels = found["rows"].numpy(), found["labels"].numpy()
    return Regrouped(faces, rows, labels), rows


def _grouped(run: Run, recipe: Recipe, faces: Stage, teacher: Stage, known: Teacher) -> Stage:
    """Without names: every picture's embedding is a row, but for those that are alike."""
    where = recipe.teacher.placement
    cache = cache_stage(run, faces, teacher, where, dim=known.dim, flip=True, zeros=True)

    def work(folder: Path) -> HeadFacts:
        both = cached(cache)
        found = grouped(both.plain, both.flipped, recipe.data.alike)
        save_head(folder, torch.from_numpy(found.centres))
        _save_groups(folder, found.rows, found.labels)
        run.progress.say(f"  {found.summary()}")
        source = "the teacher's embeddings of the pictures, without names"
        return HeadFacts(source, len(found.centres), found.summary())

    def any_head(folder: Path) -> HeadFacts:
        every = np.arange(len(faces_of(faces)))
        _save_groups(folder, every, every.copy())  # one array under two names is refused
        return replace(save_any_head(folder, len(every), known.dim), recovered="")

    return run.stage("head", {"alike": recipe.data.alike}, [cache], work, stand_in=any_head)


def _unborrowed(run: Run, faces: Stage, teacher: Stage, classes: int, dim: int) -> Stage:
    def work(folder: Path) -> HeadFacts:
        save_head(folder, torch.empty(0, dim))
        return HeadFacts("none, for the student learns with one of its own", classes)

    return run.stage("head", {"borrowed": False}, [faces, teacher], work, stand_in=work)


def _save_groups(folder: Path, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
    with whole_file(folder / _GROUPS) as part:
        save_file({"rows": torch.from_numpy(rows), "labels": torch.from_numpy(labels)}, part)


def _recovered(
    run: Run,
    recipe: Recipe,
    faces: Stage,
    teacher: Stage,
    known: Teacher,
    own: Tensor | None,
) -> Stage:
    """Class centres from the teacher's embeddings, refined if the recipe says so.

    With `own` rows for the first people, only of those who were added beside them.
    """
    pictures, begin = faces_of(faces), 0 if own is None else len(own)
    if known.head is not None and own is None:
        run.progress.say(
            f"  the teacher's classifier of {len(known.head)} classes is not of these"
            f" {pictures.classes} people: centres are recovered from its embeddings"
        )
    cache = cache_stage(run, faces, teacher, recipe.teacher.placement, dim=known.dim, flip=True)
    steps, margin = recipe.teacher.probe_steps, recipe.distill.margin

    def work(folder: Path) -> HeadFacts:
        both = cached(cache)
        first = int((pictures.labels < begin).sum())  # the added ones come after them
        sides = [side[first:] for side in (both.plain, both.flipped) if side is not None]
        names = pictures.identities[begin:]
        if own is not None and isinstance(pictures, JoinedFaces) and not known.identities:
            _confirm_order(own, known, pictures.parts[0])
        centres, report = recovered_centres(sides, pictures.labels[first:] - begin, names)
        head = torch.cat(
            [own if own is not None else torch.empty(0, known.dim), torch.from_numpy(centres)]
        )
        source = "class centres recovered from the teacher's embeddings"
        if steps:
            refined = probed_head(both.plain, pictures.labels, head, margin, steps, recipe.seed)
            head = torch.cat([head[:begin], refined[begin:]])
            source += f", refined by {steps} steps of a margin softmax"
        if begin:
            source = f"the teacher's own classifier of {begin} people; of {len(names)}, {source}"
        save_head(folder, head)
        write_json(folder / "centres.json", report.to_json())
        run.progress.say(f"  {report.summary()}")
        return HeadFacts(source, pictures.classes, report.summary())

    def any_head(folder: Path) -> HeadFacts:
        facts = save_any_head(folder, pictures.classes, known.dim)
        return HeadFacts(facts.source, facts.classes, recovered="")

    probe = {"steps": steps, "margin": margin.model_dump()} if steps else None
    inputs = {"trim": TRIM, "probe": probe, **({"own": begin} if begin else {})}
    return run.stage("head", inputs, [cache], work, stand_in=any_head)


def _own_rows(teacher: Teacher, faces: FaceDataset) -> Tensor | None:
    """The teacher's rows of these identities: by name, or by the data set's own order where nobody
    named them. None where they are of other people or of another number."""
    if teacher.head is None:
        return None
    if not teacher.identities:
        if len(teacher.head) != classes_of(faces):
            return None
        kept = faces.kept if isinstance(faces, Subset) else np.arange(faces.classes)
        return teacher.head[torch.from_numpy(kept)]
    rows = {name: row for row, name in enumerate(teacher.identities)}
    if not all(name in rows for name in faces.identities):
        return None
    return teacher.head[[rows[name] for name in faces.identities]]


def _confirm_order(rows: Tensor, teacher: Teacher, faces: FaceDataset) -> None:
    """A classifier whose rows nobody named must at least recognise the faces it is used for."""
    some = np.linspace(0, len(faces) - 1, min(LOOKED_AT, len(faces))).astype(np.int64)
    answers = torch.from_numpy(teacher.features(np.asarray(faces.images[some]))) @ rows.T
    right = float((answers.argmax(1).numpy() == faces.labels[some]).mean())
    if right < _RECOGNISED:
        raise EmbedgeError(
            "E-HEAD-ORDER",
            f"the teacher's classifier names the right person for {right:.0%} of {len(some)}"
            " training pictures: its rows are in another order, or of other people",
            remedy="Leave out teacher.head_shards: centres are then recovered from the faces",
        )
