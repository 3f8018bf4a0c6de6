"""What a gate was asked: the side, unit and bound of its kind, and what it tells beside them."""

from collections.abc import Iterator, Mapping
from typing import Final

from embedge.calibration.evaluation.figures import Key, Side
from embedge.calibration.people.carrying import people_to_reach
from embedge.calibration.people.shortage import LOOSEST
from embedge.report.gate.defaults import COSINE_P1, CROSS_SPACE_TAR, EER, TAR_LOSS
from embedge.report.gate.measurand import FLOAT, NETWORK, Figure
from embedge.report.gate.text import bound_text
from embedge.report.model import Direction, Gate, Report

__all__ = ["CROSS", "OWN", "gates_asked", "merged", "misasked"]

_SAME = 1e-9
_STUDENT = Side("student", FLOAT)
OWN: Final = Key(_STUDENT, _STUDENT)
CROSS: Final = Key(Side("teacher"), _STUDENT)
_KINDS: dict[Figure, tuple[Direction, str]] = {
    "cosine-p1": ("min", ""),
    "cosine-min": ("min", ""),
    "tar-lost": ("max", "points"),
    "tar": ("min", "%"),
    "eer": ("max", "%"),
    "threshold-fmr": ("max", "%"),
    "fmr-over-promise": ("max", "times"),
    "faults": ("max", ""),
    "held-out-faults": ("max", ""),
}
_OF_INTERVALS: tuple[Figure, ...] = ("tar-lost", "tar", "eer")


def misasked(report: Report) -> Iterator[str]:
    """Every gate that is none of its kind, or that its recipe does not ask so."""
    strictness = None if merged(report) else _not_shown(report)
    for gate in report.verdict.gates:
        if gate.measures.figure not in _KINDS:
            continue
        if (gate.direction, gate.unit) != _KINDS[gate.measures.figure]:
            yield f"gate '{gate.name}' asks for {bound_text(gate)}, as none of its kind does"
        bound = None if merged(report) or gate.measures.on else _bound(gate, report)
        if bound is not None and abs(gate.bound - bound) > _SAME:
            yield f"gate '{gate.name}' has the bound {gate.bound:g}, and was asked for {bound:g}"
        yield from _beside(gate, report, strictness)


def merged(report: Report) -> bool:
    """Of several recipes then, and only one of them is told."""
    return bool(report.provenance.more.get("merged"))


def gates_asked(report: Report) -> Mapping[str, object]:
    """What the recipe says of gates, or the command of an evaluation; nothing in older ones."""
    recipe, more = report.provenance.recipe, report.provenance.more
    return _section(_section(recipe, "evaluate") if recipe else more, "gates")


def _section(found: Mapping[str, object], key: str) -> Mapping[str, object]:
    told = found.get(key)
    return told if isinstance(told, dict) else {}


def _not_shown(report: Report) -> object:
    """Where nobody says, it is told; older reports told no rate beside any value."""
    told = any(gate.at_best is not None for gate in report.verdict.gates)
    return gates_asked(report).get("not_shown", "told" if told else None)


def _bound(gate: Gate, report: Report) -> float | None:
    """None where the report does not hold what was asked. Networks that came have no recipe."""
    recipe, measures = report.provenance.recipe, gate.measures
    evaluate, gates = _section(recipe, "evaluate"), gates_asked(report)
    if not recipe and report.artifacts and report.comparisons:
        evaluate = {"threshold_fmr": measures.fmr, "threshold_shortage": "looser"}
        gates = {"cosine_p1": COSINE_P1, "tar_loss": TAR_LOSS, "eer": EER}
    if measures.figure == "fmr-over-promise":
        return 1.0
    if measures.figure == "cosine-p1" and measures.against == NETWORK:
        return _number(gates.get("cosine_p1"), measures.of)
    if measures.figure == "tar-lost":
        return _percent(_number(gates, "tar_loss"))
    if measures.figure == "eer":
        return _percent(_number(gates, "eer"))
    if measures.figure == "tar" and measures.key == CROSS and "cross_space_tar" in gates:
        given = _number(gates, "cross_space_tar")
        return _percent(CROSS_SPACE_TAR if given is None else given)
    if measures.figure == "threshold-fmr":
        asked = _number(evaluate, "threshold_fmr")
        looser = evaluate.get("threshold_shortage") == "looser"
        return _percent(max(LOOSEST, asked) if asked and looser else asked)
    return None


def _number(found: object, key: str) -> float | None:
    told = found.get(key) if isinstance(found, Mapping) else None
    return told if isinstance(told, (int, float)) else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _beside(gate: Gate, report: Report, strictness: object) -> Iterator[str]:
    """The rate itself stands beside the end of an interval, and people only where it is short."""
    an_end = gate.measures.figure in _OF_INTERVALS and gate.value is not None
    told = gate.at_best is not None
    if told and (not an_end or strictness == "fails"):
        yield f"gate '{gate.name}' tells a rate at best, where none is asked"
    if an_end and not told and strictness == "told":
        yield f"gate '{gate.name}' does not tell the rate itself"
    if gate.measures.on:
        return
    needs = {_needs(gate, people) for people in _people(gate, report)}
    if not any(_near(gate.needs, one) for one in needs):
        yield f"gate '{gate.name}' needs {gate.needs} people, and by its figures {needs}"


def _people(gate: Gate, report: Report) -> Iterator[int]:
    """An evaluation asks those of one model, a run all who are judged."""
    known = {one.key: one for one in report.comparisons}
    if gate.measures.key in known:
        yield known[gate.measures.key].subjects
    yield report.evaluation.dataset.identities if report.evaluation else 0


def _needs(gate: Gate, people: int) -> int | None:
    if gate.outcome != "not shown" or gate.value is None or gate.at_best is None:
        return None
    sign = -0.01 if gate.direction == "min" else 0.01
    ends = (sign * (end - gate.at_best) for end in (gate.bound, gate.value))
    return people_to_reach(*ends, people)


def _near(said: int | None, found: int | None) -> bool:
    """Percent are rounded."""
    return said is found if said is None or found is None else abs(said - found) <= 1
