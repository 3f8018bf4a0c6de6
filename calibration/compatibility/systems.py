"""Galleries and probes at thresholds of their own, and what each decides about the same people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.figures import System
from embedge.calibration.compatibility.people_needed import require_people
from embedge.calibration.compatibility.shares import accept_rate, false_match_share
from embedge.calibration.evaluation.judge import Subject, scores_of
from embedge.calibration.rates import Insufficient
from embedge.calibration.thresholds import threshold_at
from embedge.errors import EmbedgeError
from embedge.runtime.contract import require_same_space
from embedge.runtime.threshold import Threshold

__all__ = ["People", "SystemAtWork", "at_work"]


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Whose faces the rows of every subject are, and which of them set the thresholds."""

    labels: NDArray[np.int64]
    calibrate: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    dataset: str

    def __post_init__(self) -> None:
        shared = np.intersect1d(self.labels[self.calibrate], self.labels[self.judged])
        if len(shared):
            raise EmbedgeError(
                "E-THRESHOLD-PEOPLE",
                f"{len(shared)} people are to set the thresholds and to be judged by them",
                remedy="Set thresholds on people who are not in the test",
            )

    @property
    def tested(self) -> NDArray[np.int64]:
        return self.labels[self.judged]

    def genuine(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Gallery and probe rows of each genuine comparison among those judged, in both roles."""
        tested = self.tested
        order = np.argsort(tested, kind="stable")
        _, starts, counts = np.unique(tested[order], return_index=True, return_counts=True)
        pairs = [
            np.stack(np.nonzero(~np.eye(count, dtype=bool)), 1) + start
            for start, count in zip(starts, counts)
        ]
        gallery, probe = order[np.concatenate(pairs)].T
        return gallery, probe


@dataclass(frozen=True, slots=True, eq=False)
class SystemAtWork:
    """The figures of a system, and its decision on each genuine comparison."""

    system: System
    accepts: NDArray[np.bool_]


def at_work(
    gallery: Subject, probe: Subject, people: People, fmr: float, digest: str
) -> SystemAtWork:
    """A threshold for `fmr` from the one group of people, decisions on the other."""
    if gallery.contract is not None and probe.contract is not None:
        require_same_space(gallery.contract, probe.contract)
    threshold = _threshold(gallery, probe, people, fmr, digest)
    enrolled, compared = (_part(one, people.judged) for one in (gallery, probe))
    a, b = people.genuine()
    if not len(a):
        raise EmbedgeError(
            "E-FEW-PEOPLE",
            "none of those to be judged has two pictures that could be embedded",
            remedy="Bring people with two pictures or more",
        )
    cosines = np.einsum("nd,nd->n", enrolled.rows[a], compared.rows[b], dtype=np.float64)
    accepts: NDArray[np.bool_] = cosines > threshold.value
    scores = scores_of(enrolled, compared, people.tested)
    system = System(
        gallery.side,
        probe.side,
        threshold,
        genuine=len(accepts),
        accepted=int(accepts.sum()),
        tar=accept_rate(people.tested[a], accepts),
        impostor=scores.impostors,
        false_matches=scores.impostors_above(threshold.value),
        fmr=false_match_share(scores, threshold.value),
    )
    return SystemAtWork(system, accepts)


def _threshold(
    gallery: Subject, probe: Subject, people: People, fmr: float, digest: str
) -> Threshold:
    for part, doing in ((people.calibrate, "set a threshold"), (people.judged, "be judged")):
        require_people(len(np.unique(people.labels[part])), fmr, doing)
    enrolled, compared = (_part(one, people.calibrate) for one in (gallery, probe))
    scores = scores_of(enrolled, compared, people.labels[people.calibrate])
    found = threshold_at(scores, fmr, dataset=people.dataset, model=digest)
    if isinstance(found, Insufficient):
        raise EmbedgeError(
            "E-FEW-PEOPLE",
            f"no threshold can be set for an FMR of {fmr:g}: {found}",
            remedy="Bring more people, or certify a higher --fmr",
        )
    return found


def _part(subject: Subject, rows: NDArray[np.bool_]) -> Subject:
    return Subject(subject.side, subject.rows[rows], subject.contract)
