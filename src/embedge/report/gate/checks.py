"""Hold a report against a policy: every rule becomes one check, and what is missing has failed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison
from embedge.report.gate.ends import unrounded
from embedge.report.gate.licence import licence_checks
from embedge.report.gate.policy import (
    CosineRule,
    EerRule,
    GatePolicy,
    LatencyRule,
    SizeRule,
    TarRule,
    ThresholdRule,
)
from embedge.report.gate.text import bound_text, not_shown_text, value_text
from embedge.report.model import Artifact, Gate, Report
from embedge.report.soundness.expected import ran

__all__ = ["Check", "checks"]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's answer in words. What is only `told` has not passed, and fails nothing."""

    rule: str
    passed: bool
    why: str
    told: bool = False

    @property
    def failed(self) -> bool:
        return not (self.passed or self.told)


def checks(report: Report, policy: GatePolicy) -> list[Check]:
    """Every check the policy asks for, in the policy's order; one that asks for none fails."""
    found = [
        *_gates(report, policy),
        *_stages(report, policy),
        *(_tar(report, rule) for rule in policy.tar),
        *(_eer(report, rule) for rule in policy.eer),
        *(check for rule in policy.threshold for check in _threshold(report, rule)),
        *(_cosine(report, rule) for rule in policy.cosine),
        *(check for rule in policy.latency for check in _latency(report, rule)),
        *(_size(report, rule) for rule in policy.size),
        *_quiet(report, policy),
        *_licences(report, policy),
    ]
    nothing = "0 checks: it asks for nothing that this report could fail"
    return found or [Check("policy", False, nothing)]


def _gates(report: Report, policy: GatePolicy) -> Iterator[Check]:
    """Merged reports may have gates of one name: each counts."""
    gates = report.verdict.gates
    if isinstance(policy.gates, str):
        yield from (_gate(gate, policy) for gate in (gates if policy.gates == "all" else ()))
        if policy.gates == "all" and not gates:
            why = "the report has none; a policy for such reports says `gates: none`"
            yield Check("gates", False, why)
        return
    for name in policy.gates:
        found = [gate for gate in gates if gate.name == name]
        yield from (_gate(gate, policy) for gate in found)
        if not found:
            known = dict.fromkeys(gate.name for gate in gates)
            yield Check(f"gate {name}", False, _absent("gate", known))


def _gate(gate: Gate, policy: GatePolicy) -> Check:
    why = f"{value_text(gate)} {bound_text(gate)}"
    if gate.passed:
        return Check(f"gate {gate.name}", True, why)
    short = gate.outcome == "not shown"
    told = f"not {why}{f' ({not_shown_text(gate)})' if short else ''}"
    return Check(f"gate {gate.name}", False, told, short and policy.not_shown == "told")


def _stages(report: Report, policy: GatePolicy) -> Iterator[Check]:
    skipped = {item.stage: item.reason for item in report.skipped}
    for stage in policy.must_run:
        found = ran(report, stage)
        if stage in skipped:
            yield Check(f"stage {stage}", False, f"was skipped: {skipped[stage]}")
        else:
            why = f"ran: {found}" if found else "left nothing in the report that it ran"
            yield Check(f"stage {stage}", bool(found), why)


def _comparison(
    report: Report, rule: TarRule | EerRule | ThresholdRule
) -> tuple[Comparison | None, str]:
    found = {one.key: one for one in report.comparisons}
    return found.get(rule.key), _absent("comparison", map(str, found))


def _artifact(report: Report, name: str) -> tuple[Artifact | None, str]:
    found = {one.name: one for one in report.artifacts}
    return found.get(name), _absent("artifact", found)


def _tar(report: Report, rule: TarRule) -> Check:
    title = f"TAR of {rule.key} at FMR {rule.fmr:g}"
    one, absent = _comparison(report, rule)
    if one is None:
        return Check(title, False, absent)
    point = one.tar_at(rule.fmr)
    if point is None:
        rates = ", ".join(f"{point.fmr:g}" for point in one.tar)
        return Check(title, False, f"the report has it at FMR {rates or 'none'} only")
    value = point.tar if rule.bound == "value" else point.low
    if value is None:
        return Check(title, False, point.lacks)
    return _bounded(title, value, at_least=rule.at_least, label=rule.bound)


def _eer(report: Report, rule: EerRule) -> Check:
    title = f"equal error rate of {rule.key}"
    one, absent = _comparison(report, rule)
    if one is None or one.eer is None:
        return Check(title, False, "was not measured" if one else absent)
    value = one.eer.rate if rule.bound == "value" else one.eer.high
    return _bounded(title, value, at_most=rule.at_most, label=rule.bound)


def _threshold(report: Report, rule: ThresholdRule) -> Iterator[Check]:
    one, absent = _comparison(report, rule)
    at = one.at_threshold if one else None
    for kind, most in (("fmr", rule.fmr_at_most), ("fnmr", rule.fnmr_at_most)):
        if most is None:
            continue
        title = f"{kind.upper()} of {rule.key} at its threshold"
        if at is None:
            yield Check(title, False, "was not measured at a threshold" if one else absent)
            continue
        rate = at.fmr if kind == "fmr" else at.fnmr
        value = rate.rate if rule.bound == "value" else rate.high
        yield _bounded(title, value, at_most=most, label=rule.bound)


def _cosine(report: Report, rule: CosineRule) -> Check:
    title = f"cosine of {rule.artifact} to the student, {rule.statistic}"
    one, absent = _artifact(report, rule.artifact)
    if one is None or one.cosine_to_torch is None:
        return Check(title, False, "was not measured" if one else absent)
    return _bounded(title, getattr(one.cosine_to_torch, rule.statistic), at_least=rule.at_least)


def _latency(report: Report, rule: LatencyRule) -> Iterator[Check]:
    rows = report.latency.artifacts if report.latency else ()
    found = [
        row for row in rows if row.artifact == rule.artifact and rule.threads in (None, row.threads)
    ]
    if not found:
        on = "" if rule.threads is None else f" on {rule.threads} threads"
        known = dict.fromkeys(f"{row.artifact} on {row.threads} threads" for row in rows)
        yield Check(f"{rule.quantile} of {rule.artifact}{on}", False, _absent("latency", known))
    for row in found:
        title = f"{rule.quantile} of {rule.artifact} on {row.threads} threads"
        value: float | None = getattr(row, rule.quantile)
        if value is None:
            needed = row.needs.get(rule.quantile)
            yield Check(title, False, f"{row.n} runs cannot carry it, it takes {needed}")
        else:
            yield _bounded(title, value, at_most=rule.at_most_ms, unit=" ms")


def _size(report: Report, rule: SizeRule) -> Check:
    title = f"size of {rule.artifact}"
    one, absent = _artifact(report, rule.artifact)
    if one is None:
        return Check(title, False, absent)
    return _bounded(title, one.bytes, at_most=rule.at_most_bytes, unit=" bytes")


def _quiet(report: Report, policy: GatePolicy) -> Iterator[Check]:
    if policy.quiet_latency:
        rows = report.latency.artifacts if report.latency else ()
        flagged = max((row.flagged for row in rows), default=0)
        why = f"{flagged} rounds were disturbed" if rows else "no latency was measured"
        yield Check("latency on a quiet machine", bool(rows) and not flagged, why)


def _licences(report: Report, policy: GatePolicy) -> Iterator[Check]:
    rules = policy.licences
    for what, fine, why in licence_checks(
        report.provenance, rules.acknowledged, required=rules.required
    ):
        yield Check(f"licence of the {what}", fine, why)


def _bounded(
    title: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    label: str = "value",
    unit: str = "",
) -> Check:
    said, value = "" if label == "value" else f" ({label} end of the interval)", unrounded(value)
    if at_least is not None:
        return Check(
            title, value >= at_least, f"{value:g}{unit}{said}, at least {at_least:g}{unit}"
        )
    assert at_most is not None, "a bound has one side"
    return Check(title, value <= at_most, f"{value:g}{unit}{said}, at most {at_most:g}{unit}")


def _absent(kind: str, known: Iterable[str]) -> str:
    return f"the report has no such {kind}; it has: {', '.join(known) or 'none'}"
