"""Which decisions turn when one system takes another's place, and for how many people."""

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.figures import Flips
from embedge.calibration.compatibility.shares import share_of_comparisons, share_of_people

__all__ = ["flips"]

_MOST_TOLD = 4


def flips(
    before: NDArray[np.bool_], after: NDArray[np.bool_], subjects: NDArray[np.int64]
) -> Flips:
    """Decisions on the same genuine comparisons, each of which belongs to one subject."""
    lost, won = before & ~after, after & ~before
    _, codes = np.unique(subjects, return_inverse=True)
    losses = np.bincount(codes, lost).astype(np.int64)
    losing = int((losses > 0).sum())
    spread = np.bincount(np.minimum(losses, _MOST_TOLD), minlength=_MOST_TOLD + 1)
    return Flips(
        comparisons=len(subjects),
        negative=int(lost.sum()),
        positive=int(won.sum()),
        negative_rate=share_of_comparisons(subjects, lost),
        positive_rate=share_of_comparisons(subjects, won),
        people=len(losses),
        people_losing=losing,
        losing=share_of_people(losing, len(losses)),
        most_of_one_person=int(losses.max()),
        people_by_losses=tuple(spread.tolist()),
    )
