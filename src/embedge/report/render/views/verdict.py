"""The top of the page: does it hold, and by how much?"""

from collections.abc import Mapping
from typing import Any

from embedge.report.render.words import (
    bound_text,
    byte_text,
    count_text,
    ms_text,
    percent,
    rate_text,
    value_text,
)

__all__ = ["headline_view", "verdict_view"]


def verdict_view(report: Mapping[str, Any]) -> dict[str, Any]:
    verdict = report["verdict"]
    gates = verdict["gates"]
    failed = [gate for gate in gates if not gate["passed"]]
    kind = "passed" if verdict["passed"] else "failed"
    if not gates:  # a device's bench, say: nothing was asked, so nothing was passed
        kind = "measured"
    return {
        "kind": kind,
        "word": kind.capitalize(),
        "sentence": _sentence(gates, failed),
        "gates": [_gate(gate) for gate in [*failed, *(g for g in gates if g["passed"])]],
    }


def _sentence(gates: list[dict[str, Any]], failed: list[dict[str, Any]]) -> str:
    count = len(gates)
    if not count:
        return "No gate was set: the figures stand for themselves."
    if not failed:
        return "Its only gate holds." if count == 1 else f"All {count} gates hold."
    names = ", ".join(gate["name"] for gate in failed)
    return f"{len(failed)} of {count} gates {'fails' if len(failed) == 1 else 'fail'}: {names}."


def _gate(gate: Mapping[str, Any]) -> dict[str, Any]:
    unit = gate.get("unit", "")
    return {
        "name": gate["name"],
        "what": gate["what"],
        "passed": gate["passed"],
        "value": value_text(gate["value"], unit),
        "bound": bound_text(gate["bound"], gate["direction"], unit),
        "margin": _margin(gate, unit),
    }


def _margin(gate: Mapping[str, Any], unit: str) -> str:
    if gate["value"] is None:
        return "counts as failed"
    apart = abs(gate["value"] - gate["bound"])
    if apart == 0:
        return "exactly at the bound" if gate["bound"] else "as it must be"
    if unit == "share":
        apart, unit = 100 * apart, "points"
    distance = value_text(apart, "points" if unit == "%" else unit)
    return f"{distance} to spare" if gate["passed"] else f"misses by {distance}"


def headline_view(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """Four figures at most: how small, how fast, how true."""
    cards = [_smaller(report), _smallest_file(report), _true_to_teacher(report), _fast(report)]
    return [card for card in cards if card]


def _by_role(report: Mapping[str, Any], role: str) -> dict[str, Any] | None:
    found = [model for model in report.get("models", []) if model["role"] == role]
    return found[0] if found else None


def _smaller(report: Mapping[str, Any]) -> dict[str, str] | None:
    teacher, student = _by_role(report, "teacher"), _by_role(report, "student")
    if not (teacher and student and student["parameters"]):
        return None
    return {
        "label": "Student parameters",
        "value": count_text(student["parameters"]),
        "note": f"teacher has {teacher['parameters'] / student['parameters']:.1f}× as many",
    }


def _smallest_file(report: Mapping[str, Any]) -> dict[str, str] | None:
    artifacts = report.get("artifacts", [])
    if not artifacts:
        return None
    small = min(artifacts, key=lambda artifact: artifact["bytes"])
    return {
        "label": "Smallest artifact",
        "value": byte_text(small["bytes"]),
        "note": small["name"],
    }


def _true_to_teacher(report: Mapping[str, Any]) -> dict[str, str] | None:
    """TAR of a teacher gallery with student probes, at the lowest FMR the data carries."""
    teacher, student = _by_role(report, "teacher"), _by_role(report, "student")
    if not (teacher and student):
        return None
    carried = [
        point
        for one in (report.get("evaluation") or {}).get("comparisons", [])
        if one["gallery"] == teacher["name"] and _of(one["probe"], student["name"])
        for point in one["tar"]
        if point.get("tar") is not None
    ]
    if not carried:
        return None
    # the first of the strictest: the network itself comes before its artifacts
    strictest = min(carried, key=lambda point: point["fmr"])
    return {
        "label": "Teacher gallery, student probe",
        "value": percent(strictest["tar"]),
        "note": f"accepted at FMR {rate_text(strictest['fmr'])}",
    }


def _of(probe: str, student: str) -> bool:
    """`student`, or one of its artifacts written as `student fp32`."""
    return probe == student or probe.startswith(f"{student} ")


def _fast(report: Mapping[str, Any]) -> dict[str, str] | None:
    rows = (report.get("latency") or {}).get("artifacts", [])
    rows = [row for row in rows if row["threads"] == 1 and row.get("p50") is not None]
    if not rows:
        return None
    best = min(rows, key=lambda row: row["p50"])
    return {
        "label": "One embedding, one thread",
        "value": f"{ms_text(best['p50'])}\N{NO-BREAK SPACE}ms",
        "note": f"median, {best['artifact']}",
    }
