"""Go, go with a stricter threshold, partial, or no: what the evidence on a bridge comes to."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from embedge.calibration.bridging.agreement import Agreement
from embedge.calibration.bridging.labelled import Labelled, People, labelled_evidence
from embedge.calibration.evaluation.figures import Share
from embedge.runtime.bridge import Bridge

__all__ = ["RANK1", "Decided", "Decision", "Demands", "Partial", "partial_of", "verdict"]

Decision = Literal["go", "go, stricter threshold", "partial", "no"]
# of that many pictures a template must find its own: shuffled pairs and blind networks do not
RANK1 = 0.9
# a model this far behind the other is fed wrongly, or is no match for it
_BEHIND = 0.9
# a promise is a lower bound, and mostly a loose one
_PROMISED = 0.9
_SURE = 0.8
_ONE_SPACE = "both models speak one space already: the map is the identity within its error"


@dataclass(frozen=True, slots=True)
class Demands:
    """At this FMR the bridge must keep this share of the weaker model's own TAR."""

    fmr: float
    keep: float


@dataclass(frozen=True, slots=True)
class Partial:
    """Templates whose foretold cosine is under `limit` are enrolled again."""

    limit: float
    share: Share
    kept: float


@dataclass(frozen=True, slots=True)
class Decided:
    decision: Decision
    reasons: tuple[str, ...]
    partial: Partial | None = None

    @property
    def carries(self) -> bool:
        return self.decision != "no"


def verdict(
    bridge: Bridge,
    agreed: Agreement,
    labelled: Labelled | None,
    demands: Demands,
    partial: Partial | None = None,
) -> Decided:
    """Labelled people decide where there are some, else the promise that unlabelled ones make."""
    if agreed.rank1 < RANK1:
        what = (
            f"only {agreed.rank1:.1%} of {agreed.pictures:,} mapped templates find their own"
            " picture: the rows are not paired, or a model does not see faces"
        )
        return Decided("no", (what,))
    point = labelled.point_at(demands.fmr) if labelled else None
    one_space = bridge.facts.get("kind") == "identity"
    if one_space and point is None:
        found = f"{agreed.rank1:.1%} of {agreed.pictures:,} pictures find their own as they are"
        return Decided("go", (_ONE_SPACE, found))
    if labelled is None or point is None:
        return _on_promise(agreed, demands, few=labelled is not None)
    weaker, stronger = sorted((point.old, point.new))
    if weaker < _BEHIND * stronger:
        which = "old" if point.old < point.new else "new"
        what = (
            f"the {which} model alone accepts {weaker:.1%} of genuine pairs, the other"
            f" {stronger:.1%}: check its feeding (colours, scale, alignment) and the people's names"
        )
        return Decided("no", (what,))
    share = f"{point.kept:.1%} of the weaker model's own TAR at FMR {demands.fmr:g}"
    if point.kept >= demands.keep:
        own = (_ONE_SPACE,) if one_space else ()
        return _go(labelled, (*own, f"the bridge keeps {share}"))
    if partial is not None and partial.kept >= demands.keep:
        what = (
            f"without the {partial.share:.0%} least certain templates it keeps {partial.kept:.1%}"
        )
        return Decided("partial", (f"the bridge keeps {share}", what), partial)
    return Decided("no", (f"the bridge keeps only {share}",))


def partial_of(bridge: Bridge, people: People, demands: Demands, *, dataset: str) -> Partial | None:
    """What is kept when the least certain fifth is enrolled again; None where none is foretold."""
    expected = bridge.bridged(people.old).expected
    if np.isnan(expected).any():
        return None
    limit = float(np.quantile(expected, 1 - _SURE))
    sure = people.only(expected > limit)
    found = labelled_evidence(bridge, sure, (demands.fmr,), fmr=demands.fmr, dataset=dataset)
    point = found.point_at(demands.fmr)
    return Partial(limit, float((expected <= limit).mean()), point.kept) if point else None


def _go(labelled: Labelled, reasons: tuple[str, ...]) -> Decided:
    own, native = labelled.threshold, labelled.new_threshold
    if own is not None and native is not None and own.value <= native:
        enough = "the new model's own threshold is strict enough for them"
        return Decided("go", (*reasons, enough))
    if own is None:
        what = "these people are too few to set a threshold: unlabelled strangers have to"
    elif native is None:
        what = f"bridged templates need {own.value:.3f}; what native ones need is not known"
    else:
        what = f"bridged templates need {own.value:.3f} where native ones need {native:.3f}"
    return Decided("go, stricter threshold", (*reasons, what))


def _on_promise(agreed: Agreement, demands: Demands, *, few: bool) -> Decided:
    promised, least = agreed.promised(demands.fmr), "about" if agreed.doubt else "at least"
    lead = "too few labelled people for this FMR: " if few else "no labelled people: "
    what = (
        f"{lead}from how {agreed.pictures:,} unlabelled pictures are ranked, {least}"
        f" {promised:.1%} of the new model's own TAR is kept at FMR {demands.fmr:g}"
    )
    if agreed.doubt:
        return Decided("no", (what, agreed.doubt))
    if promised >= min(demands.keep, _PROMISED):
        strict = "its threshold is that of these strangers: safe, but far too strict where they"
        return Decided(
            "go, stricter threshold",
            (what, f"{strict} resemble each other more than your people do; calibrate on yours"),
        )
    return Decided("no", (what, "that is too little; labelled people may show that it is more"))
