"""The gates of a verdict as lines of text, and what to know of thresholds beside them."""

from embedge.calibration.people.shortage import shortage_text
from embedge.report.model import Gate, Report, Verdict

__all__ = ["bound_text", "gate_lines", "shortage_lines", "value_text"]


def gate_lines(verdict: Verdict) -> str:
    return "\n".join(map(_line, verdict.gates))


def shortage_lines(report: Report) -> list[str]:
    """Of thresholds looser than asked for, or of none at all."""
    return [
        f"NOTE  {one.name}: {shortage_text(one.shortage, one.threshold)}"
        for one in report.artifacts
        if one.shortage is not None
    ]


def _line(gate: Gate) -> str:
    verdict = "pass" if gate.passed else "FAIL"
    return f"{verdict}  {value_text(gate):>14}  {bound_text(gate):>12}  {gate.what}"


def value_text(gate: Gate) -> str:
    return "not measured" if gate.value is None else f"{gate.value:.5g} {gate.unit}".strip()


def bound_text(gate: Gate) -> str:
    sign = "≥" if gate.direction == "min" else "≤"
    return f"{sign} {gate.bound:g} {gate.unit}".strip()
