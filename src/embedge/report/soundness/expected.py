"""What a gate's value is of, where that stands in the same report."""

from collections.abc import Mapping
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison, Key, Side, promises_of
from embedge.report.gate.measurand import CROSS, NETWORK, OWN, Figure
from embedge.report.model import Artifact, Gate, Report, Skippable
from embedge.report.soundness.asked import gates_asked, merged
from embedge.report.soundness.former import nearness_told
from embedge.report.soundness.losses import least_reach, lost_between

__all__ = ["NEARNESS", "Expected", "expected_of", "of_figures", "ran"]

NEARNESS: tuple[Figure, ...] = ("cosine-p1", "cosine-min")
_PLAN = ".plan"  # an engine, as the device that built it reports it


@dataclass(frozen=True, slots=True)
class Expected:
    """A gate's `value` and the rate itself; None was not measured.

    Older reports tell a loss without its interval: then only the rate is known, and `whole` is
    False; no value is nearer than `least`.
    """

    value: float | None
    best: float | None
    whole: bool = True
    least: float | None = None


def expected_of(gate: Gate, report: Report) -> Expected | None:
    """None where the report does not hold it."""
    measures = gate.measures
    known = {one.key: one for one in report.comparisons}
    one = known.get(measures.key) if measures.key else None
    if measures.on:
        return None  # a device measured it, and the figures are those of the run
    if measures.figure == "eer":
        return _equal_error(one) if one else None
    if measures.figure == "tar":
        return _tar(gate, one) if one else None
    if measures.figure == "threshold-fmr":
        return _set_for(report, known)
    if measures.figure == "fmr-over-promise":
        return _promises(gate, report, known)
    return _of_artifact(gate, report, known)


def _of_artifact(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    measures = gate.measures
    artifact = next((one for one in report.artifacts if one.name == measures.of), None)
    if artifact is None:
        return None
    if measures.figure in NEARNESS:
        return _near(gate, artifact)
    return _lost(gate, report, known) if measures.figure == "tar-lost" else None


def _near(gate: Gate, artifact: Artifact) -> Expected | None:
    """To the network by figures, to the graph it was made of by words, which are rounded."""
    if gate.measures.against == NETWORK:
        found = artifact.cosine_to_torch
        return None if found is None else Expected(found.p1, found.p1)
    told = nearness_told(gate.measures.figure, artifact.note)
    if told is None or gate.value is None:
        return None
    same = f"{gate.value:.{len(told.partition('.')[2])}f}" == told
    near = gate.value if same else float(told)
    return Expected(near, near)


def _lost(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    own, fmr = known.get(_alone(gate.measures.of)), gate.measures.fmr
    asked = (_alone(gate.measures.against), fmr)
    if of_figures(report):
        loss = None if own is None else own.loss
        if loss is None or (loss.reference, loss.fmr) != asked:
            return Expected(None, None)
        return Expected(100 * loss.high, 100 * loss.difference)
    found = lost_between(known.get(OWN), own, fmr)
    best = gate.at_best if found is None else 100 * found
    if best is None or gate.value is None:
        return None
    return Expected(None, best, whole=False, least=_least(best, report))


def of_figures(report: Report) -> bool:
    """Whether it tells the intervals of losses and what thresholds promise: older ones do not."""
    told = bool(promises_of(report.comparisons))
    return told or any(one.loss is not None for one in report.comparisons)


def _alone(artifact: str) -> Key:
    return Key(Side("student", artifact), Side("student", artifact))


def _set_for(report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    """The loosest of the artifacts judged; a merge adds others."""
    judged = [one.threshold for one in report.artifacts if _alone(one.name) in known]
    held = [100 * one.fmr_target for one in judged if one is not None]
    if merged(report):
        return Expected(None, max(held), whole=False) if held else None
    loosest = max(held, default=None) if len(held) == len(judged) else None
    return Expected(loosest, loosest) if judged else None


def _equal_error(one: Comparison) -> Expected:
    if one.eer is None:
        return Expected(None, None)
    return Expected(100 * one.eer.high, 100 * one.eer.rate)


def _promises(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    """Older reports tell no promise against the teacher's gallery: only an artifact's own is known
    then, unless the worst of all is among those."""
    kept = promises_of(report.comparisons)
    if of_figures(report):
        worst = max(kept.values(), default=None)
        return Expected(worst, worst)
    for artifact in report.artifacts:
        one, held = known.get(_alone(artifact.name)), artifact.threshold
        if one is not None and one.at_threshold is not None and held is not None:
            kept[one.key] = one.at_threshold.fmr.low / held.fmr_target
    if not kept:
        return None
    worst = max(kept.values())
    return Expected(worst, worst, whole=gate.worst in kept)


def _tar(gate: Gate, one: Comparison) -> Expected | None:
    point = None if gate.measures.fmr is None else one.tar_at(gate.measures.fmr)
    if point is None or point.tar is None:
        return None
    return Expected(100 * (point.low or 0.0), 100 * point.tar)


def _least(best: float, report: Report) -> float:
    """The nearest that the upper end of a loss over the people judged can be.

    Reports whose gates tell nothing but the far end are older than this.
    """
    ends_only = all(gate.at_best is None for gate in report.verdict.gates)
    if ends_only and "not_shown" not in gates_asked(report):
        return best
    people = report.evaluation.dataset.identities if report.evaluation else 0
    return min(100.0, best + 100 * least_reach(people))


def ran(report: Report, stage: Skippable) -> str:
    """What of the report only that stage can have left; empty where it left nothing."""
    if stage == "engines":
        told = [one.name for one in report.artifacts if one.file.endswith(_PLAN)]
        built = report.provenance.more.get("engines")
        told += [str(name) for name in built] if isinstance(built, dict) else []
    else:
        told = [
            str(one.key)
            for one in report.comparisons
            if one.gallery == CROSS.gallery and one.probe.model == CROSS.probe.model
        ]
    return ", ".join(told)
