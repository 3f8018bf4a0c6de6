"""How often a threshold accepts people's own pictures, where it was set without asking that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.people.alike import drawn
from embedge.calibration.scores import Float32

__all__ = ["Accepted", "accepted_at"]

_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """Of `pairs` of different pictures of one face; `known` says whether labels say so.

    Without labels only such pairs count as both models find alike: the share errs upwards.
    """

    share: Share
    pairs: Count
    known: bool


def accepted_at(
    limit: float, mapped: Float32, native: Float32, whose: NDArray[np.generic], *, known: bool
) -> Accepted | None:
    """None where too few pictures share a face."""
    some = drawn(len(native))
    mapped, native, whose = mapped[some], native[some], whose[some]
    own = whose[:, None] == whose
    np.fill_diagonal(own, False)
    scores = (mapped @ native.T)[own]
    if len(scores) < _FEWEST:
        return None
    return Accepted(float((scores > np.float32(limit)).mean()), len(scores), known)
