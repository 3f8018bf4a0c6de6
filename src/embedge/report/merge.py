"""Bring what was measured on devices into the report of the bundle they run."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from embedge.errors import EmbedgeError

__all__ = ["merged_report"]


def merged_report(
    base: Mapping[str, Any], others: Sequence[Mapping[str, Any]], *, resolved: Sequence[str] = ()
) -> dict[str, Any]:
    """`base` with the artifacts, comparisons, gates and latencies of the others.

    All must speak of one embedding contract, and artifacts of one name must be the same bytes.
    Stages named in `resolved` ran elsewhere and leave the list of what was skipped.
    """
    merged: dict[str, Any] = copy.deepcopy(dict(base))
    for other in others:
        _require_one_contract(merged, other)
        _merge_artifacts(merged, other)
        _merge_comparisons(merged, other)
        _merge_gates(merged, other)
        _merge_latency(merged, other)
        _merge_skipped(merged, other)
        _remember(merged, other)
    merged["skipped"] = [
        item for item in merged.get("skipped", []) if item["stage"] not in resolved
    ]
    return merged


def _require_one_contract(base: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    one, two = ((report.get("space") or {}).get("contract_digest") for report in (base, other))
    if one is None or one != two:
        raise _refused(f"the embedding contracts differ: {one} and {two}", other)


def _merge_artifacts(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    known = {artifact["name"]: artifact for artifact in base.setdefault("artifacts", [])}
    for artifact in other.get("artifacts", []):
        present = known.get(artifact["name"])
        if present is None:
            base["artifacts"].append(copy.deepcopy(artifact))
        elif present["sha256"] != artifact["sha256"]:
            raise _refused(f"the artifact {artifact['name']} is another file there", other)


def _merge_comparisons(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    theirs = other.get("evaluation")
    if not theirs:
        return
    if not base.get("evaluation"):
        base["evaluation"] = copy.deepcopy(theirs)
        return
    ours = base["evaluation"]
    if ours["dataset"]["fingerprint"] != theirs["dataset"]["fingerprint"]:
        raise _refused("it was evaluated on other data", other)
    known = {one["name"] for one in ours["comparisons"]}
    ours["comparisons"] += [
        copy.deepcopy(one) for one in theirs["comparisons"] if one["name"] not in known
    ]


def _merge_gates(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    """A gate of the same name and numbers is one gate; otherwise both count, told apart."""
    gates = base["verdict"]["gates"]
    for gate in other["verdict"]["gates"]:
        if gate in gates:
            continue
        if gate["name"] in {known["name"] for known in gates}:
            gate = {**gate, "name": f"{gate['name']} ({_device(other)})"}
        gates.append(copy.deepcopy(gate))
    base["verdict"]["passed"] = all(gate["passed"] for gate in gates)


def _merge_latency(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    latency = other.get("latency")
    if latency:
        added = {**copy.deepcopy(latency), "device": _device(other)}
        base["devices"] = [*base.get("devices", []), added]
    base["devices"] = [*base.get("devices", []), *copy.deepcopy(other.get("devices", []))]


def _merge_skipped(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    known = {(item["stage"], item["reason"]) for item in base.get("skipped", [])}
    base["skipped"] = [
        *base.get("skipped", []),
        *(
            {"stage": item["stage"], "reason": f"{item['reason']} ({_device(other)})"}
            for item in other.get("skipped", [])
            if (item["stage"], item["reason"]) not in known
        ),
    ]


def _remember(base: dict[str, Any], other: Mapping[str, Any]) -> None:
    entry = {
        "title": other["title"],
        "created": other["created"],
        "command": other.get("command", ""),
        "device": _device(other),
    }
    base["provenance"]["merged"] = [*base["provenance"].get("merged", []), entry]


def _device(report: Mapping[str, Any]) -> str:
    machine = (report.get("latency") or {}).get("machine") or {}
    return str(machine.get("name") or machine.get("cpu") or report["title"])


def _refused(why: str, other: Mapping[str, Any]) -> EmbedgeError:
    return EmbedgeError(
        "E-REPORT-MERGE",
        f"the report '{other['title']}' does not belong to the first one: {why}",
        remedy="Merge only reports of the same bundle",
    )
