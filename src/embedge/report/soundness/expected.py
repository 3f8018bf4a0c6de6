"""What a gate's value is of, where that stands in the same report."""

from collections.abc import Mapping
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison, Key, Side, TarPoint
from embedge.calibration.intervals.binomial import rule_of_three
from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.report.gate.measurand import FLOAT, NETWORK
from embedge.report.model import Gate, Report, Skippable

__all__ = ["Expected", "expected_of", "ran"]

_PLAN = ".plan"  # an engine, as the device that built it reports it
_TEACHER, _FLOAT = Side("teacher"), Side("student", FLOAT)


@dataclass(frozen=True, slots=True)
class Expected:
    """A gate's `value` and the rate itself; None was not measured.

    A loss is told without its interval: then only the rate is known, and `whole` is False; no
    value is nearer than `least`.
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
    if measures.figure == "threshold-fmr" and gate.value is not None:
        set_for = [100 * one.threshold.fmr_target for one in report.artifacts if one.threshold]
        return Expected(None, max(set_for), whole=False) if set_for else None
    if measures.figure == "fmr-over-promise":
        return _promises(gate, report, known)
    return _of_artifact(gate, report, known)


def _of_artifact(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    measures = gate.measures
    artifact = next((one for one in report.artifacts if one.name == measures.of), None)
    if artifact is None:
        return None
    nearness = artifact.cosine_to_torch
    if (measures.figure, measures.against) == ("cosine-p1", NETWORK) and nearness is not None:
        return Expected(nearness.p1, nearness.p1)
    if measures.figure == "tar-lost":
        side = Side("student", artifact.name)
        found = _loss(known.get(Key(_FLOAT, _FLOAT)), known.get(Key(side, side)), measures.fmr)
        best = gate.at_best if found is None else found
        if best is None or gate.value is None:
            return None
        return Expected(None, best, whole=False, least=_least(best, report))
    return None


def _equal_error(one: Comparison) -> Expected:
    if one.eer is None:
        return Expected(None, None)
    return Expected(100 * one.eer.high, 100 * one.eer.rate)


def _promises(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Expected | None:
    """What a threshold against the teacher's gallery promises is not told: only its own is known,
    unless the worst of all is among those."""
    kept = dict[Key, float]()
    for artifact in report.artifacts:
        side = Side("student", artifact.name)
        one, held = known.get(Key(side, side)), artifact.threshold
        if one is not None and one.at_threshold is not None and held is not None:
            kept[one.key] = one.at_threshold.fmr.low / held.fmr_target
    if not kept:
        return None
    worst = max(kept.values())
    return Expected(worst, worst, whole=gate.worst in kept)


def _tar(gate: Gate, one: Comparison) -> Expected | None:
    point = _point(one, gate.measures.fmr)
    if point is None or point.tar is None:
        return None
    return Expected(100 * (point.low or 0.0), 100 * point.tar)


def _point(one: Comparison | None, fmr: float | None) -> TarPoint | None:
    return None if one is None or fmr is None else one.tar_at(fmr)


def _loss(first: Comparison | None, other: Comparison | None, fmr: float | None) -> float | None:
    """Points of TAR; where too few people carry the rate, the report does not tell it."""
    before, after = _point(first, fmr), _point(other, fmr)
    if before is None or after is None or before.tar is None or after.tar is None:
        return None
    return 100 * before.tar - 100 * after.tar


def _least(best: float, report: Report) -> float:
    """The nearest that the upper end of a loss over the people judged can be.

    One more person may lose everything: without any change that is the rule of three. What turned
    both ways can bring that nearer, as draws can; never by half. Reports whose gates tell nothing
    but the far end are older than this.
    """
    if all(gate.at_best is None for gate in report.verdict.gates) and not _tells_shown(report):
        return best
    people = report.evaluation.dataset.identities if report.evaluation else 0
    untouched = rule_of_three(people, (1 + CONFIDENCE) / 2) if people else 1.0
    return min(100.0, best + 50 * untouched)


def _tells_shown(report: Report) -> bool:
    """Whether its recipe says what becomes of gates that are not shown to hold."""
    found: object = report.provenance.recipe
    for key in ("evaluate", "gates", "not_shown"):
        found = found.get(key) if isinstance(found, dict) else None
    return found is not None


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
            if one.gallery == _TEACHER and one.probe.model == _FLOAT.model
        ]
    return ", ".join(told)
