"""Rows of an old and of a new model that see the same made-up people."""

from typing import Any

import numpy as np

from embedge.calibration.compatibility.figures import ArtifactCompatibility, System
from embedge.calibration.compatibility.measure import NewArtifact, compatibility
from embedge.calibration.compatibility.systems import People
from embedge.calibration.evaluation.figures import Side
from embedge.calibration.evaluation.judge import Subject

__all__ = ["FMR", "Seen", "measured", "seen"]

FMR = 0.05
Seen = tuple[np.ndarray, np.ndarray, People]


def seen(
    people: int = 60, each: int = 3, *, old: float = 0.8, new: float = 0.2, seed: int = 0
) -> Seen:
    """`old` is how much one person's pictures differ, `new` what the new model adds to that."""
    random = np.random.default_rng(seed)
    faces = np.repeat(random.normal(size=(people, 16)), each, 0)
    faces = faces + old * random.normal(size=faces.shape)
    other = faces + new * random.normal(size=faces.shape)
    labels = np.repeat(np.arange(people), each)
    first = labels < people // 2
    return unit(faces), unit(other), People(labels, first, ~first, "made up")


def measured(found: Seen, **options: Any) -> tuple[System, ArtifactCompatibility]:
    old, new, people = found
    artifact = NewArtifact(Subject(Side("door", "int8"), new), "b" * 64, "int8")
    subject = Subject(Side("teacher"), old)
    paragon, (one,) = compatibility(subject, "a" * 64, [artifact], people, FMR, **options)
    return paragon, one


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
