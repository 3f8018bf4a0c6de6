"""Hold a report against a policy: every rule becomes one check, and what is missing has failed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from embedge.report.gate.licence import licence_findings
from embedge.report.gate.policy import (
    CosineRule,
    LatencyRule,
    Policy,
    SizeRule,
    TarRule,
    ThresholdRule,
)

__all__ = ["Check", "checks"]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's answer in words."""

    rule: str
    passed: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def checks(report: Mapping[str, Any], policy: Policy) -> list[Check]:
    """Every check the policy asks for, in the policy's order."""
    return [
        *_gates(report, policy),
        *_stages(report, policy),
        *(_tar(report, rule) for rule in policy.tar),
        *(check for rule in policy.threshold for check in _threshold(report, rule)),
        *(_cosine(report, rule) for rule in policy.cosine),
        *(check for rule in policy.latency for check in _latency(report, rule)),
        *(_size(report, rule) for rule in policy.size),
        *_quiet(report, policy),
        *_licences(report, policy),
    ]


def _gates(report: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    gates = {gate["name"]: gate for gate in report["verdict"]["gates"]}
    match policy.gates:
        case "none":
            return
        case "all":
            wanted = list(gates)
        case names:
            wanted = names
    for name in wanted:
        gate = gates.get(name)
        if gate is None:
            yield Check(f"gate {name}", False, _absent("gate", gates))
            continue
        side = "≥" if gate["direction"] == "min" else "≤"
        value = "not measured" if gate["value"] is None else f"{gate['value']:g}"
        why = f"{value} {side} {gate['bound']:g} {gate.get('unit', '')}".rstrip()
        yield Check(f"gate {name}", gate["passed"], why if gate["passed"] else f"not {why}")


def _stages(report: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    skipped = {item["stage"]: item["reason"] for item in report.get("skipped", [])}
    for stage in policy.must_run:
        why = f"was skipped: {skipped[stage]}" if stage in skipped else "was not skipped"
        yield Check(f"stage {stage}", stage not in skipped, why)


def _comparison(report: Mapping[str, Any], name: str) -> tuple[Any, str]:
    found = {one["name"]: one for one in (report.get("evaluation") or {}).get("comparisons", [])}
    return found.get(name), _absent("comparison", found)


def _artifact(report: Mapping[str, Any], name: str) -> tuple[Any, str]:
    found = {one["name"]: one for one in report.get("artifacts", [])}
    return found.get(name), _absent("artifact", found)


def _tar(report: Mapping[str, Any], rule: TarRule) -> Check:
    title = f"TAR of {rule.comparison} at FMR {rule.fmr:g}"
    one, absent = _comparison(report, rule.comparison)
    if one is None:
        return Check(title, False, absent)
    point = next((point for point in one["tar"] if _close(point["fmr"], rule.fmr)), None)
    if point is None:
        rates = ", ".join(f"{point['fmr']:g}" for point in one["tar"])
        return Check(title, False, f"the report has it at FMR {rates or 'none'} only")
    key = "tar" if rule.bound == "value" else "low"
    if point.get(key) is None:
        return Check(title, False, f"insufficient data: needs {point.get('needs')} impostor pairs")
    return _bounded(title, point[key], at_least=rule.at_least, label=rule.bound)


def _threshold(report: Mapping[str, Any], rule: ThresholdRule) -> Iterator[Check]:
    one, absent = _comparison(report, rule.comparison)
    at = (one or {}).get("at_threshold") or {}
    key = "rate" if rule.bound == "value" else "high"
    for kind, most in (("fmr", rule.fmr_at_most), ("fnmr", rule.fnmr_at_most)):
        if most is None:
            continue
        title = f"{kind.upper()} of {rule.comparison} at its threshold"
        if not at.get(kind):
            yield Check(title, False, "was not measured at a threshold" if one else absent)
        else:
            yield _bounded(title, at[kind][key], at_most=most, label=rule.bound)


def _cosine(report: Mapping[str, Any], rule: CosineRule) -> Check:
    title = f"cosine of {rule.artifact} to the student, {rule.statistic}"
    one, absent = _artifact(report, rule.artifact)
    if one is None or not one.get("cosine_to_torch"):
        return Check(title, False, "was not measured" if one else absent)
    return _bounded(title, one["cosine_to_torch"][rule.statistic], at_least=rule.at_least)


def _latency(report: Mapping[str, Any], rule: LatencyRule) -> Iterator[Check]:
    rows = (report.get("latency") or {}).get("artifacts", [])
    found = [row for row in rows if row["artifact"] == rule.artifact]
    if rule.threads is not None:
        found = [row for row in found if row["threads"] == rule.threads]
    if not found:
        title = f"{rule.quantile} of {rule.artifact}"
        yield Check(title, False, _absent("latency", {row["artifact"]: row for row in rows}))
    for row in found:
        title = f"{rule.quantile} of {rule.artifact} on {row['threads']} threads"
        if row.get(rule.quantile) is None:
            needed = (row.get("needs") or {}).get(rule.quantile)
            yield Check(title, False, f"{row['n']} runs cannot carry it, it takes {needed}")
        else:
            yield _bounded(title, row[rule.quantile], at_most=rule.at_most_ms, unit=" ms")


def _size(report: Mapping[str, Any], rule: SizeRule) -> Check:
    title = f"size of {rule.artifact}"
    one, absent = _artifact(report, rule.artifact)
    if one is None:
        return Check(title, False, absent)
    return _bounded(title, one["bytes"], at_most=rule.at_most_bytes, unit=" bytes")


def _quiet(report: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    if policy.quiet_latency:
        rows = (report.get("latency") or {}).get("artifacts", [])
        flagged = max((row.get("flagged", 0) for row in rows), default=0)
        why = f"{flagged} rounds were disturbed" if rows else "no latency was measured"
        yield Check("latency on a quiet machine", bool(rows) and not flagged, why)


def _licences(report: Mapping[str, Any], policy: Policy) -> Iterator[Check]:
    rules = policy.licences
    for what, fine, why in licence_findings(
        report["provenance"], rules.acknowledged, required=rules.required
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
    said = "" if label == "value" else f" ({label} end of the interval)"
    if at_least is not None:
        return Check(title, value >= at_least, f"{value:g}{unit}{said}, at least {at_least:g}")
    assert at_most is not None, "a bound has one side"
    return Check(title, value <= at_most, f"{value:g}{unit}{said}, at most {at_most:g}{unit}")


def _absent(kind: str, known: Mapping[str, Any]) -> str:
    return f"the report has no such {kind}; it has: {', '.join(known) or 'none'}"


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 + 1e-6 * other
