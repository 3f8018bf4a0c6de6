"""The gates of a verdict as lines of text."""

from embedge.report.model import Gate, Verdict

__all__ = ["bound_text", "gate_lines", "value_text"]


def gate_lines(verdict: Verdict) -> str:
    return "\n".join(map(_line, verdict.gates))


def _line(gate: Gate) -> str:
    verdict = "pass" if gate.passed else "FAIL"
    return f"{verdict}  {value_text(gate):>14}  {bound_text(gate):>12}  {gate.what}"


def value_text(gate: Gate) -> str:
    return "not measured" if gate.value is None else f"{gate.value:.5g} {gate.unit}".strip()


def bound_text(gate: Gate) -> str:
    sign = "≥" if gate.direction == "min" else "≤"
    return f"{sign} {gate.bound:g} {gate.unit}".strip()
