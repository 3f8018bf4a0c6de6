"""What a gate was asked: the side, unit and bound of its kind, and what it tells beside them."""

from collections.abc import Iterator, Mapping
from math import isclose

from embedge.calibration.people.shortage import LOOSEST
from embedge.report.gate.defaults import COSINE_P1, CROSS_SPACE_TAR, EER, TAR_LOSS
from embedge.report.gate.ends import people_needed
from embedge.report.gate.measurand import FLOAT, NETWORK, Figure
from embedge.report.gate.text import bound_text
from embedge.report.model import Direction, Gate, Report

__all__ = ["devices_merged", "gates_asked", "merged", "misasked"]

_SAME = 1e-9
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
# what asks for far ends of intervals, as recipes call it
_ENDS: dict[Figure, str] = {"tar-lost": "tar_loss", "tar": "cross_space_tar", "eer": "eer"}


def misasked(report: Report) -> Iterator[str]:
    """Every gate that is none of its kind, or that its recipe does not ask so."""
    for gate in report.verdict.gates:
        own = _own(gate, report)
        kind = (gate.direction, gate.unit)
        if _KINDS.get(gate.measures.figure, kind) != kind:
            yield f"gate '{gate.name}' asks for {bound_text(gate)}, as none of its kind does"
        bound = _bound(gate, report) if own else None
        if bound is not None and abs(gate.bound - bound) > _SAME:
            yield f"gate '{gate.name}' has the bound {gate.bound:g}, and was asked for {bound:g}"
        yield from _beside(gate, report, _not_shown(report) if own else None)


def _own(gate: Gate, report: Report) -> bool:
    """Of the recipe told: what devices add to a merged report, and other artifacts, has others."""
    told = _section(report.provenance.recipe, "export").get("precisions")
    made = told if isinstance(told, list) else COSINE_P1
    here = not gate.measures.of or gate.measures.of in {FLOAT, *made}
    return not merged(report) or (here and not gate.measures.on)


def merged(report: Report) -> bool:
    """Of several recipes then, and only one of them is told."""
    return bool(devices_merged(report))


def devices_merged(report: Report) -> list[str]:
    entries = report.provenance.more.get("merged")
    some = entries if isinstance(entries, list) else []
    return [str(one["device"]) for one in some if isinstance(one, dict) and one.get("device")]


def gates_asked(report: Report) -> Mapping[str, object]:
    """What the recipe says of gates, or an evaluation; nothing in older ones."""
    recipe, more = report.provenance.recipe, report.provenance.more
    return _section(_section(recipe, "evaluate") if recipe else more, "gates")


def _section(found: Mapping[str, object], key: str) -> Mapping[str, object]:
    told = found.get(key)
    return told if isinstance(told, Mapping) else {}


def _not_shown(report: Report) -> object:
    """Where nobody says, it is told; older reports told no rate beside any value."""
    told = any(gate.at_best is not None for gate in report.verdict.gates)
    return gates_asked(report).get("not_shown", "told" if told else None)


def _bound(gate: Gate, report: Report) -> float | None:
    """None where the report does not hold what was asked. Networks that came have no recipe."""
    recipe, figure, asked = report.provenance.recipe, gate.measures.figure, None
    evaluate, gates = _section(recipe, "evaluate"), gates_asked(report)
    if not recipe and report.artifacts and report.comparisons:
        evaluate = {"threshold_fmr": gate.measures.fmr, "threshold_shortage": "looser"}
        gates = {"cosine_p1": COSINE_P1, "tar_loss": TAR_LOSS, "eer": EER}
    if figure in _ENDS:
        asked = gates.get(_ENDS[figure])
        if asked is None and "cross_space_tar" in gates and figure == "tar":
            asked = CROSS_SPACE_TAR
    elif figure == "cosine-p1" and gate.measures.against == NETWORK:
        asked = _section(gates, "cosine_p1").get(gate.measures.of)
    elif figure == "threshold-fmr":
        asked = evaluate.get("threshold_fmr")
        if evaluate.get("threshold_shortage") == "looser" and isinstance(asked, float):
            asked = max(LOOSEST, asked)
    elif figure == "fmr-over-promise":
        asked = 1.0
    scale = 100 if gate.unit in ("%", "points") else 1
    return scale * asked if isinstance(asked, (int, float)) else None


def _beside(gate: Gate, report: Report, strictness: object) -> Iterator[str]:
    """The rate itself stands beside the end of an interval, and people only where it is short."""
    an_end = gate.measures.figure in _ENDS and gate.value is not None
    told = gate.at_best is not None
    if told and (not an_end or strictness == "fails"):
        yield f"gate '{gate.name}' tells a rate at best, where none is asked"
    if an_end and not told and strictness == "told":
        yield f"gate '{gate.name}' does not tell the rate itself"
    # an evaluation asks those of one model, a run all who are judged
    people = {one.subjects for one in report.comparisons if one.key == gate.measures.key}
    people |= {report.evaluation.dataset.identities} if report.evaluation else {0}
    needs = {_needs(gate, many) for many in people}
    if not gate.measures.on and not any(_about(gate.needs, one) for one in needs):
        yield f"gate '{gate.name}' needs {gate.needs} people, and by its figures {needs}"


def _needs(gate: Gate, people: int) -> int | None:
    if gate.outcome != "not shown" or gate.value is None or gate.at_best is None:
        return None
    return people_needed(gate.value, gate.at_best, gate.bound, people)


def _about(said: int | None, found: int | None) -> bool:
    """Percent are rounded, and older reports counted by shares."""
    if said is None or found is None:
        return said is found
    return isclose(said, found, rel_tol=1e-6, abs_tol=1)
