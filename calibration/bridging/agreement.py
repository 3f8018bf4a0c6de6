"""What unlabelled pictures say of a bridge: how nearly it ranks strangers as the new model does.

On pictures that the map never saw, mapped and native templates are compared with those of all
other pictures. How far the two scores of one pair lie apart, in standard deviations of the native
scores of strangers, is the bridge's `noise`; it needs no labels, and it bounds what is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.pairs import pairs_between
from embedge.calibration.people.alike import OFF_CENTRE, alike, drawn, found_own
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.threshold import Threshold

__all__ = ["Agreement", "Promise", "agreement", "kept_at_least", "unlabelled_threshold"]

_TOP = 1e-3
_FEWEST = 400  # different faces: of fewer nothing was seen
# The least that was kept (rows: FMR) at a noise (columns), under what ten bridges between three
# networks, fitted on 400 to 8,000 pictures, kept on a third of the people of a real set
_NOISE = (0.0, 0.60, 0.70, 0.80, 1.00, 1.20)
_KEPT = {
    1e-2: (1.0, 0.985, 0.97, 0.93, 0.75, 0.0),
    1e-3: (1.0, 0.97, 0.95, 0.89, 0.60, 0.0),
    1e-4: (1.0, 0.94, 0.90, 0.78, 0.40, 0.0),
    1e-5: (1.0, 0.86, 0.78, 0.62, 0.20, 0.0),
}


@dataclass(frozen=True, slots=True)
class Promise:
    """The bridge's TAR is at least this share of the new model's own, at the same FMR."""

    fmr: Share
    kept: Share


@dataclass(frozen=True, slots=True)
class Agreement:
    """`cosine` and `rank1` are of a picture with itself; `order` correlates scores of strangers.

    The `pictures` show about so many `faces`. A `doubt` is why what is promised is no bound.
    """

    pictures: Count
    cosine: float
    rank1: Share
    order: float
    noise: float
    promises: tuple[Promise, ...]
    faces: Count
    doubt: str = ""

    def promised(self, fmr: float) -> float:
        return kept_at_least(self.noise, fmr)


def agreement(
    mapped: Float32,
    native: Float32,
    fmrs: Sequence[float],
    faces: NDArray[np.int64] | None = None,
) -> Agreement:
    """Row i of both is the same unlabelled picture, left out of the fit with all of its face."""
    faces = alike(mapped, native) if faces is None else faces
    rank1, some = found_own(mapped, native, faces), drawn(len(native))
    mapped, native, whose = mapped[some], native[some], faces[some]
    across, alone = mapped @ native.T, native @ native.T
    different = whose[:, None] != whose
    bridged, own = across[different], alone[different]
    near = own > np.quantile(own, 1 - _TOP)
    x, y = own[near] - own.mean(), bridged[near] - bridged.mean()
    slope = max(float((x * y).sum() / (x * x).sum()), 1e-3)
    noise = float((y - slope * x).std() / slope / own.std())
    return Agreement(
        len(native),
        float(np.diag(across).mean()),
        rank1,
        float(np.corrcoef(bridged[::7], own[::7])[0, 1]),
        noise,
        tuple(Promise(fmr, kept_at_least(noise, fmr)) for fmr in fmrs),
        count := len(np.unique(faces)),
        _doubt(count, float(np.linalg.norm(native.mean(axis=0)))),
    )


def _doubt(faces: int, away: float) -> str:
    """The bound was seen to be one on so many faces, and around an origin, only."""
    if faces < _FEWEST:
        return f"they show about {faces:,} faces, too few for a bound: bring {_FEWEST} or more"
    return "embeddings so far from their origin allow no bound" if away > OFF_CENTRE else ""


def kept_at_least(noise: float, fmr: float) -> float:
    """Nothing is promised past what was looked at: neither at more noise nor at a smaller FMR."""
    known = [limit for limit in sorted(_KEPT) if limit <= fmr * (1 + 1e-9)]
    return float(np.interp(noise, _NOISE, _KEPT[known[-1]])) if known else 0.0


def unlabelled_threshold(
    mapped: Float32, native: Float32, fmr: float, *, dataset: str
) -> Threshold | None:
    """Every two pictures are taken for strangers: if some are not, the threshold errs upwards.

    Children, or faces of one kind, resemble each other more than the people at a door do: it errs
    upwards then too, and far.
    """
    some = drawn(len(native))
    mapped, native = mapped[some], native[some]
    people = np.arange(len(native))
    scores = pairs_between(
        mapped, people, native, people, gallery_images=people, probe_images=people
    )
    found = threshold_at(scores, fmr, dataset=dataset, model="bridged")
    return None if isinstance(found, Insufficient) else found
