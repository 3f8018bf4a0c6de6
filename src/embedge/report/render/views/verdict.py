"""The top of the page: does it hold, and by how much?"""

from collections.abc import Sequence
from typing import Any

from embedge.report.model import Gate, Model, Report
from embedge.report.render.views.cautions import cautions_of
from embedge.report.render.words import (
    bare_percent,
    beside_text,
    bound_text,
    byte_text,
    count_text,
    ms_text,
    percent,
    rate_text,
    value_text,
)

__all__ = ["headline_view", "verdict_view"]


def verdict_view(report: Report) -> dict[str, Any]:
    gates = report.verdict.gates
    failed, short = report.verdict.failed, report.verdict.not_shown
    kind = "failed" if failed else "undecided" if short else "passed"
    if not gates:  # a device's bench, say: nothing was asked, so nothing was passed
        kind = "measured"
    cautions = cautions_of(report)
    against = [one.text for one in cautions if one.kind == "against"]
    if kind == "passed" and against:
        kind = "reserved"
    return {
        "kind": kind,
        "word": _WORDS.get(kind, kind.capitalize()),
        "sentence": _sentence(gates, failed, short) + _but(len(against)),
        "against": against,
        "unchecked": [one.text for one in cautions if one.kind == "unchecked"],
        "few": [one.text for one in cautions if one.kind == "few"],
        "gates": [_gate(one) for one in [*failed, *short, *(g for g in gates if g.passed)]],
    }


_WORDS = {"reserved": "Passed with reservations", "undecided": "Not shown"}
_MARKS = {"passed": "pass", "not shown": "short", "failed": "fail"}


def _but(facts: int) -> str:
    if not facts:
        return ""
    return f" {facts} fact{'s speak' if facts > 1 else ' speaks'} against it."


def _sentence(gates: Sequence[Gate], failed: Sequence[Gate], short: Sequence[Gate]) -> str:
    count = len(gates)
    if not count:
        return "No gate was set: the figures stand for themselves."
    if not failed and not short:
        return "Its only gate holds." if count == 1 else f"All {count} gates hold."
    told = []
    if failed:
        names = ", ".join(gate.name for gate in failed)
        fails = "fails" if len(failed) == 1 else "fail"
        told.append(f"{len(failed)} of {count} gates {fails}: {names}.")
    if short:
        names = ", ".join(gate.name for gate in short)
        are = "is" if len(short) == 1 else "are"
        told.append(f"{len(short)} of {count} gates {are} not shown by so few people: {names}.")
    return " ".join(told)


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "name": gate.name,
        "what": gate.what,
        "mark": _MARKS[gate.outcome],
        "value": beside_text(gate.value, gate.bound, gate.unit),
        "bound": bound_text(gate.bound, gate.direction, gate.unit),
        "margin": _margin(gate),
    }


def _margin(gate: Gate) -> str:
    if gate.value is None:
        return "counts as failed"
    if gate.outcome == "not shown":
        best = f"{value_text(gate.at_best, gate.unit)} seen"
        return f"{best}; it takes {gate.needs:,} people or more" if gate.needs else best
    apart, unit = abs(gate.value - gate.bound), gate.unit
    if apart == 0:
        return "exactly at the bound" if gate.bound else "as it must be"
    if unit == "share":
        apart, unit = 100 * apart, "points"
    distance = value_text(apart, "points" if unit == "%" else unit)
    return f"{distance} to spare" if gate.passed else f"misses by {distance}"


def headline_view(report: Report) -> list[dict[str, str]]:
    """Four figures at most: how small, how fast, how true."""
    cards = [_smaller(report), _smallest_file(report), _true_to_teacher(report), _fast(report)]
    return [card for card in cards if card]


def _by_role(report: Report, role: str) -> Model | None:
    return next((model for model in report.models if model.role == role), None)


def _smaller(report: Report) -> dict[str, str] | None:
    teacher, student = _by_role(report, "teacher"), _by_role(report, "student")
    if not (teacher and student and student.parameters):
        return None
    return {
        "label": "Student parameters",
        "value": count_text(student.parameters),
        "note": f"teacher has {teacher.parameters / student.parameters:.1f}× as many",
    }


def _smallest_file(report: Report) -> dict[str, str] | None:
    if not report.artifacts:
        return None
    small = min(report.artifacts, key=lambda artifact: artifact.bytes)
    return {"label": "Smallest artifact", "value": byte_text(small.bytes), "note": small.name}


def _true_to_teacher(report: Report) -> dict[str, str] | None:
    """TAR of a teacher gallery with student probes, at the lowest FMR that enough errors carry."""
    teacher, student = _by_role(report, "teacher"), _by_role(report, "student")
    if not (teacher and student):
        return None
    carried = [
        (point.few, point.fmr, point)
        for one in report.comparisons
        if (one.gallery.model, one.probe.model) == (teacher.name, student.name)
        for point in one.tar
        if point.tar is not None
    ]
    if not carried:
        return None
    # the first of the strictest: the network itself comes before its artifacts
    few, fmr, point = min(carried, key=lambda found: found[:2])
    between = f"{bare_percent(point.low or 0)} – {bare_percent(point.high or 1)}"
    return {
        "label": "Teacher gallery, student probe",
        "value": percent(point.tar),
        "note": f"accepted at FMR {rate_text(fmr)} ({between}){', on few errors' if few else ''}",
    }


def _fast(report: Report) -> dict[str, str] | None:
    """Of what a device runs: the default artifact, where the report knows it."""
    latency = report.latency
    rows = latency.artifacts if latency else ()
    medians = {row.artifact: row.p50 for row in rows if row.threads == 1 and row.p50 is not None}
    if latency is None or not medians:
        return None
    default = latency.verify_artifact or ""
    artifact = default if default in medians else min(medians, key=lambda name: medians[name])
    return {
        "label": "One embedding, one thread",
        "value": f"{ms_text(medians[artifact])}\N{NO-BREAK SPACE}ms",
        "note": f"median, {artifact}" + (f": {latency.why}" if latency.why else ""),
    }
