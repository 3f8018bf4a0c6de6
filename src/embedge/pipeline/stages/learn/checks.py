"""Whom a student is watched on while it learns: strangers, and verification sets."""

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.thresholds import split_subjects
from embedge.errors import EmbedgeError
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.pipeline.stages.learn.head import School
from embedge.pipeline.stages.learn.teacher import teacher_of
from embedge.train.data import FaceDataset, FaceSet
from embedge.train.loop.checks import TrainingChecks, VerificationSet

__all__ = ["checks_of", "split_of", "verification_sets"]


def split_of(faces: FaceDataset, recipe: Recipe) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(who chooses checkpoints, plans and thresholds, who judges), whoever asks.

    It goes by the seed of the data: students of other seeds are judged on the same people.
    """
    return split_subjects(faces.labels, recipe.data.seed)


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
    """The people whom thresholds are set on, and the sets; the other people stay for the report."""
    if held_out is None:
        return None
    strangers, train = _watched(FaceSet.load(held_out.folder), recipe), recipe.student.train
    rows = None
    if shares:
        teacher = teacher_of(school.teacher)

        def embed(faces: FaceDataset) -> np.ndarray:
            return teacher.embed(faces, what=f"{faces.name}, teacher", progress=run.progress)

        rows, sets = embed(strangers), tuple(one.taught(embed) for one in sets)
    return TrainingChecks(strangers, rows, train.evaluate_every, train.patience, sets)


def _watched(faces: FaceSet, recipe: Recipe) -> FaceSet:
    chosen = np.flatnonzero(split_of(faces, recipe)[0])
    return FaceSet(
        f"{faces.name}, watched",
        np.asarray(faces.images[chosen]),
        faces.labels[chosen],
        faces.identities,
        faces.fingerprint,
    )


def _unfit(what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-RECIPE-KEY", f"data.verification: {what}", remedy=remedy)
