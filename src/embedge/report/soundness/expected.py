"""What a gate's value is of, where that stands in the same report."""

from collections.abc import Mapping
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison, Key, Side
from embedge.report.gate.measurand import FLOAT, NETWORK
from embedge.report.model import Gate, Report, Skippable

__all__ = ["Expected", "expected_of", "ran"]

_PLAN = ".plan"  # an engine, as the device that built it reports it
_TEACHER, _FLOAT = Side("teacher"), Side("student", FLOAT)


@dataclass(frozen=True, slots=True)
class Expected:
    """A gate's `value` and the rate itself; None was not measured.

    A loss is told without its interval: then only the rate is known, and `whole` is False.
    """

    value: float | None
    best: float | None
    whole: bool = True


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
        return _loss(gate, known.get(Key(_FLOAT, _FLOAT)), known.get(Key(side, side)))
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
    fmr = gate.measures.fmr
    point = None if fmr is None else one.tar_at(fmr)
    if point is None or point.tar is None:
        return None
    return Expected(100 * (point.low or 0.0), 100 * point.tar)


def _loss(gate: Gate, first: Comparison | None, other: Comparison | None) -> Expected | None:
    """Points of TAR; where too few people carry the rate, the report does not tell it."""
    before, after = (None if one is None else _tar(gate, one) for one in (first, other))
    if before is None or after is None or before.best is None or after.best is None:
        return None
    return Expected(None, before.best - after.best, whole=False)


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
