"""Who does what: one function gives every held-out person one role, and nobody has two.

Whoever chose (a checkpoint, a precision plan, calibration pictures) neither sets a threshold nor is
judged; whoever set a threshold is not judged at it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.errors import EmbedgeError

__all__ = ["RULES", "Roles", "people_by_role", "roles_of", "split_subjects"]

Mask = NDArray[np.bool_]

RULES = 2  # of the split; a stage that depends on it is made again when they change
_JUDGES, _CHOOSERS = 1 / 2, 1 / 6  # of everybody


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Masks over the rows. Nobody is in two of them; `choose` is empty where nothing is chosen."""

    judge: Mask
    choose: Mask
    threshold: Mask


def roles_of(labels: ArrayLike, seed: int, *, choosing: bool, thresholds: bool = True) -> Roles:
    """Half of the people judge, whatever the others do; a third of those may choose.

    Without `thresholds` to set, everybody judges who does not choose.
    """
    shares = {"judge": _JUDGES, "choose": _CHOOSERS} if choosing else {"judge": _JUDGES}
    found = people_by_role(labels, seed, {**shares, "threshold": 1 - sum(shares.values())})
    choose = found.get("choose", np.zeros(len(found["judge"]), bool))
    if thresholds:
        return Roles(found["judge"], choose, found["threshold"])
    return Roles(~choose, choose, np.zeros(len(choose), bool))


def people_by_role(labels: ArrayLike, seed: int, shares: Mapping[str, float]) -> dict[str, Mask]:
    """Masks over the rows, in the order of the roles: everybody has one, every role has somebody.

    A role keeps its people when those after it are divided otherwise.
    """
    names = np.asarray(labels)
    subjects = np.unique(names)
    if len(subjects) < len(shares):
        raise EmbedgeError(
            "E-SUBJECTS",
            f"{len(subjects)} {'person' if len(subjects) == 1 else 'people'} cannot be split into"
            f" {len(shares)} groups: {', '.join(shares)}",
            remedy=f"Bring images of {len(shares)} or more people",
        )
    shuffled = np.random.default_rng(seed).permutation(subjects)
    found, start, passed = {}, 0, 0.0
    for behind, (role, share) in zip(range(len(shares) - 1, -1, -1), shares.items()):
        passed += share
        stop = round(passed / sum(shares.values()) * len(subjects))
        stop = min(max(stop, start + 1), len(subjects) - behind)
        found[role] = np.isin(names, shuffled[start:stop])
        start = stop
    return found


def split_subjects(labels: ArrayLike, seed: int, *, share: float = 0.5) -> tuple[Mask, Mask]:
    """Masks (calibrate, test); no subject is in both. `share` goes to calibrate."""
    found = people_by_role(labels, seed, {"calibrate": share, "test": 1 - share})
    return found["calibrate"], found["test"]
