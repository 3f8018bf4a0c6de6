"""Whom a student is checked on while it learns: strangers, and verification sets."""

import numpy as np

from embedge.calibration.people.splits import Roles, roles_of
from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.train.data import FaceDataset, FaceSet, open_faces
from embedge.train.data.view import side_of
from embedge.train.loop.checks import TrainingChecks, VerificationSet

__all__ = [
    "checks_of",
    "require_comparisons",
    "require_people",
    "roles_in",
    "somebody_chooses",
    "verification_sets",
]


def roles_in(faces: FaceDataset, recipe: Recipe) -> Roles:
    """Which of the held-out people do what, whoever asks.

    It goes by the seed of the data: students of other seeds are judged on the same people.
    """
    return roles_of(faces.labels, recipe.data.seed, choosing=somebody_chooses(recipe))


def require_people(recipe: Recipe) -> Roles:
    """The roles of so many held-out people, told before anything is learnt."""
    people = np.arange(recipe.data.held_out)
    return roles_of(people, recipe.data.seed, choosing=somebody_chooses(recipe))


def require_comparisons(recipe: Recipe) -> None:
    """That somebody who judges is to be seen twice, told before anything is learnt."""
    data = recipe.data
    each = data.held_out_per_identity
    if data.source == "rendered":
        labels = np.repeat(np.arange(data.held_out), each)
    else:
        whole = open_faces(data.source)
        labels = side_of(whole, "held-out", data.held_out, data.seed, each).labels
    roles = roles_of(labels, data.seed, choosing=somebody_chooses(recipe))
    if not (np.bincount(labels)[labels[roles.judge]] > 1).any():
        raise EmbedgeError(
            "E-SUBJECTS",
            "every person who is to be judged on has one picture: no two can be compared",
            where=data.source,
            remedy="Bring people of several pictures, or raise data.held_out_per_identity above 1",
        )


def somebody_chooses(recipe: Recipe) -> bool:
    """Whether held-out people choose a checkpoint or the layers that stay in float."""
    return bool(recipe.student.train.evaluate_every) or recipe.int8.budget is not None


def verification_sets(recipe: Recipe) -> tuple[VerificationSet, ...]:
    """Those of the recipe, read and found fit."""
    given = recipe.data.verification
    if given and not recipe.student.train.evaluate_every:
        raise _unfit(
            "student.train.evaluate_every is 0, so nobody would ever look at it",
            "Set student.train.evaluate_every, or leave data.verification out",
        )
    found = tuple(map(VerificationSet.read, given))
    if len({one.name for one in found}) < len(found):
        raise _unfit(
            "two sets have the same name, and so would their figures", "Rename one of the files"
        )
    return found


def checks_of(
    run: Run,
    recipe: Recipe,
    school: School,
    held_out: Stage | None,
    sets: tuple[VerificationSet, ...],
    *,
    shares: bool,
) -> TrainingChecks | None:
    """The people who choose, and the sets; the other people stay for thresholds and report."""
    if held_out is None:
        return None
    strangers, train = _checked_on(FaceSet.load(held_out.folder), recipe), recipe.student.train
    rows = None
    if shares:
        teacher = teacher_of(school.teacher).placed(recipe.teacher.placement)

        def embed(faces: FaceDataset) -> np.ndarray:
            return teacher.embed(faces, what=f"{faces.name}, teacher", progress=run.progress)

        rows, sets = embed(strangers), tuple(one.taught(embed) for one in sets)
    return TrainingChecks(strangers, rows, train.evaluate_every, train.patience, sets)


def _checked_on(faces: FaceSet, recipe: Recipe) -> FaceSet:
    chosen = np.flatnonzero(roles_in(faces, recipe).choose)
    return FaceSet(
        f"{faces.name}, checked",
        np.asarray(faces.images[chosen]),
        faces.labels[chosen],
        faces.identities,
        faces.fingerprint,
    )


def _unfit(what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-RECIPE-KEY", f"data.verification: {what}", remedy=remedy)
