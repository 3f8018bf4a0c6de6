"""Bring what was measured on devices into the report of the bundle they run."""

from collections.abc import Sequence
from dataclasses import replace

from embedge.bench.results import Latency
from embedge.errors import EmbedgeError
from embedge.printed import printable
from embedge.report.model import (
    Artifact,
    Evaluation,
    Gate,
    Provenance,
    Report,
    Skippable,
    Skipped,
    Verdict,
)
from embedge.report.soundness.expected import ran

__all__ = ["merged_report"]


def merged_report(
    base: Report, others: Sequence[Report], *, resolved: Sequence[Skippable] = ()
) -> Report:
    """`base` with the artifacts, comparisons, gates and latencies of the others.

    All must speak of one embedding contract, and artifacts of one name must be the same bytes.
    Stages named in `resolved` ran elsewhere and leave the list of what was skipped.
    """
    for stage in resolved:
        if not any(ran(other, stage) for other in others):
            raise EmbedgeError(
                "E-REPORT-MERGE",
                f"none of the reports tells that the stage {stage} ran",
                remedy="Merge the report of the device it ran on, or leave --resolved out",
            )
    for other in others:
        _require_one_contract(base, other)
        if base.evaluation is None and other.evaluation is not None:
            raise EmbedgeError(
                "E-REPORT-MERGE",
                f"the first report, '{printable(base.title)}', is of a device: it judges nobody",
                remedy="Give the report of the bundle first, then those of devices",
            )
        base = replace(
            base,
            artifacts=_artifacts(base, other),
            evaluation=_evaluation(base, other),
            verdict=_verdict(base, other),
            devices=base.devices + _devices(base, other),
            skipped=_skipped(base, other),
            provenance=_provenance(base, other),
        )
    return replace(base, skipped=tuple(one for one in base.skipped if one.stage not in resolved))


def _require_one_contract(base: Report, other: Report) -> None:
    one, two = (report.space and report.space.contract_digest for report in (base, other))
    if one is None or one != two:
        raise _refused(f"the embedding contracts differ: {one} and {two}", other)


def _artifacts(base: Report, other: Report) -> tuple[Artifact, ...]:
    known = {artifact.name: artifact.sha256 for artifact in base.artifacts}
    for artifact in other.artifacts:
        if known.get(artifact.name, artifact.sha256) != artifact.sha256:
            raise _refused(f"the artifact {artifact.name} is another file there", other)
    return base.artifacts + tuple(one for one in other.artifacts if one.name not in known)


def _devices(base: Report, other: Report) -> tuple[Latency, ...]:
    named = (replace(one, device=one.device or _device(other)) for one in other.machines)
    return tuple(one for one in named if one not in base.devices)


def _evaluation(base: Report, other: Report) -> Evaluation | None:
    ours, theirs = base.evaluation, other.evaluation
    if ours is None or theirs is None:
        return ours or theirs
    if ours.dataset.fingerprint != theirs.dataset.fingerprint:
        raise _refused("it was evaluated on other data", other)
    known = {one.key for one in ours.comparisons}
    new = tuple(one for one in theirs.comparisons if one.key not in known)
    sides = {one.side for one in ours.tested}
    return replace(
        ours,
        comparisons=ours.comparisons + new,
        tested=ours.tested + tuple(one for one in theirs.tested if one.side not in sides),
        findings=ours.findings + tuple(one for one in theirs.findings if one not in ours.findings),
    )


def _verdict(base: Report, other: Report) -> Verdict:
    """A gate of the same measurand and numbers is one gate; otherwise both count, told apart."""
    gates = list(base.verdict.gates)
    for gate in other.verdict.gates:
        known = {one.unworded for one in gates}
        placed = [gate, *(_placed(gate, where) for where in _places(other, len(gates)))]
        if any(one.unworded in known for one in placed):
            continue  # as after an earlier merge of the same report
        taken = {one.measures.identity for one in gates}
        gates.append(next(one for one in placed if one.measures.identity not in taken))
    return Verdict.of(gates)


def _places(other: Report, most: int) -> list[str]:
    """Measured again on one device, it is counted."""
    device = _device(other)
    return [device, *(f"{device}, {number}" for number in range(2, most + 2))]


def _placed(gate: Gate, where: str) -> Gate:
    on = ", ".join(filter(None, (gate.measures.on, where)))
    return replace(gate, name=f"{gate.name} ({where})", measures=replace(gate.measures, on=on))


def _skipped(base: Report, other: Report) -> tuple[Skipped, ...]:
    new = (one for one in other.skipped if one not in base.skipped)
    told = (replace(one, reason=f"{one.reason} ({_device(other)})") for one in new)
    return base.skipped + tuple(one for one in told if one not in base.skipped)


def _provenance(base: Report, other: Report) -> Provenance:
    entry = {
        "title": other.title,
        "created": other.created,
        "command": other.command,
        "device": _device(other),
    }
    more = base.provenance.more
    before = more.get("merged", [])
    merged = before if isinstance(before, list) else [before]  # any report may say anything here
    if entry not in merged:
        merged = [*merged, entry]
    return replace(base.provenance, more={**more, "merged": merged})


def _device(report: Report) -> str:
    machine = report.latency and report.latency.machine
    return (machine and (machine.name or machine.cpu)) or report.title


def _refused(why: str, other: Report) -> EmbedgeError:
    return EmbedgeError(
        "E-REPORT-MERGE",
        f"the report '{printable(other.title)}' does not belong to the first one: {why}",
        remedy="Merge only reports of the same bundle",
    )
