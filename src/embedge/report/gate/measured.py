"""What a gate's value is of, where that stands in the same report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison, Key, Side
from embedge.report.model import Gate, Report, Skippable

__all__ = ["Measured", "measured_of", "ran"]

_AT_RATE = re.compile(r"at FMR ([0-9.e+-]+)")
_WORST = re.compile(r"\(worst: (.*)\)$")
_PLAN = ".plan"  # an engine, as the device that built it reports it
_TEACHER, _FLOAT = Side("teacher"), Side("student", "fp32")


@dataclass(frozen=True, slots=True)
class Measured:
    """A gate's `value` and the rate itself; None was not measured.

    A loss is told without its interval: then only the rate is known, and `whole` is False.
    """

    value: float | None
    best: float | None
    whole: bool = True


def measured_of(gate: Gate, report: Report) -> Measured | None:
    """None where the report does not hold it."""
    known = {one.key: one for one in report.comparisons}
    for key, one in known.items():
        if gate.name == f"accuracy: {key}":
            return _equal_error(one)
    if gate.name == "equal error rate" and (alone := known.get(Key(_FLOAT, _FLOAT))):
        return _equal_error(alone)
    if gate.name == "no re-enrolment" and (across := known.get(Key(_TEACHER, _FLOAT))):
        return _tar(gate, across)
    if gate.name == "thresholds" and gate.value is not None:
        set_for = [100 * one.threshold.fmr_target for one in report.artifacts if one.threshold]
        return Measured(None, max(set_for), whole=False) if set_for else None
    if gate.name == "thresholds hold":
        return _promises(gate, report, known)
    for artifact in report.artifacts:
        nearness = artifact.cosine_to_torch
        # a gate of one runtime against another is called alike, and is of other figures
        to_torch = gate.what.startswith(f"cosine of {artifact.name} to ")
        if gate.name == f"{artifact.name} parity" and to_torch and nearness is not None:
            return Measured(nearness.p1, nearness.p1)
        if gate.name == f"{artifact.name} accuracy":
            side = Side("student", artifact.name)
            return _loss(gate, known.get(Key(_FLOAT, _FLOAT)), known.get(Key(side, side)))
    return None


def _equal_error(one: Comparison) -> Measured:
    if one.eer is None:
        return Measured(None, None)
    return Measured(100 * one.eer.high, 100 * one.eer.rate)


def _promises(gate: Gate, report: Report, known: Mapping[Key, Comparison]) -> Measured | None:
    """What a threshold against the teacher's gallery promises is not told: only its own is known,
    unless the worst of all is among those."""
    kept = dict[str, float]()
    for artifact in report.artifacts:
        side = Side("student", artifact.name)
        one, held = known.get(Key(side, side)), artifact.threshold
        if one is not None and one.at_threshold is not None and held is not None:
            kept[one.name] = one.at_threshold.fmr.low / held.fmr_target
    if not kept:
        return None
    worst = max(kept.values())
    named = _WORST.search(gate.what)
    return Measured(worst, worst, whole=named is not None and named[1] in kept)


def _tar(gate: Gate, one: Comparison) -> Measured | None:
    rate = _AT_RATE.search(gate.what)
    point = one.tar_at(float(rate[1])) if rate else None
    if point is None or point.tar is None:
        return None
    return Measured(100 * (point.low or 0.0), 100 * point.tar)


def _loss(gate: Gate, first: Comparison | None, other: Comparison | None) -> Measured | None:
    """Points of TAR; where too few people carry the rate, the report does not tell it."""
    before, after = (None if one is None else _tar(gate, one) for one in (first, other))
    if before is None or after is None or before.best is None or after.best is None:
        return None
    return Measured(None, before.best - after.best, whole=False)


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
