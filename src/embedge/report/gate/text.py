"""The gates of a verdict as lines of text, and what to know of thresholds beside them."""

from collections.abc import Iterable

from embedge.calibration.people.shortage import shortage_text
from embedge.report.model import Gate, Report, Verdict

__all__ = [
    "bound_text",
    "failure_text",
    "gate_lines",
    "not_shown_text",
    "shortage_lines",
    "value_text",
]

_WORDS = {"passed": "pass", "not shown": "NOT SHOWN", "failed": "FAIL"}


def gate_lines(verdict: Verdict) -> str:
    """One of each gate, and what those come to that are not shown to hold."""
    told = [_line(gate) for gate in verdict.gates]
    if verdict.not_shown:
        names = ", ".join(gate.name for gate in verdict.not_shown)
        of = f"{len(verdict.not_shown)} of {len(verdict.gates)} gates"
        told.append(f"NOT SHOWN: too few people are judged to tell of {of}: {names}")
    return "\n".join(told)


def failure_text(gates: Iterable[Gate]) -> str:
    return "; ".join(
        f"{gate.what} is {value_text(gate)}, bound {bound_text(gate)}" for gate in gates
    )


def not_shown_text(gate: Gate) -> str:
    """Why it has neither passed nor failed, and how many people it takes."""
    assert gate.at_best is not None, "only what is within its bound at best is not shown"
    best = value_text(gate, gate.at_best)
    return f"{best} seen{f', needs at least {gate.needs:,} people' if gate.needs else ''}"


def shortage_lines(report: Report) -> list[str]:
    """Of thresholds looser than asked for, or of none at all."""
    return [
        f"NOTE  {one.name}: {shortage_text(one.shortage, one.threshold)}"
        for one in report.artifacts
        if one.shortage is not None
    ]


def _line(gate: Gate) -> str:
    why = f" ({not_shown_text(gate)})" if gate.outcome == "not shown" else ""
    word, value = _WORDS[gate.outcome], value_text(gate)
    return f"{word:4}  {value:>14}  {bound_text(gate):>12}  {gate.what}{why}"


def value_text(gate: Gate, value: float | None = None) -> str:
    """`value`: another one than the gate's."""
    value = gate.value if value is None else value
    return "not measured" if value is None else f"{value:.5g} {gate.unit}".strip()


def bound_text(gate: Gate) -> str:
    sign = "≥" if gate.direction == "min" else "≤"
    return f"{sign} {gate.bound:g} {gate.unit}".strip()
