"""The bounds that decide whether a run may be shipped."""

from collections.abc import Iterator

from embedge.calibration.evaluation.figures import Key
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.report.model import Direction, Gate

__all__ = ["gates_of"]


def gates_of(recipe: Recipe, findings: ParityResult) -> list[Gate]:
    """Every gate with its value; one that could not be measured has failed."""
    return [
        *_cosine_gates(recipe, findings),
        *_loss_gates(recipe, findings),
        *_cross_space_gate(recipe, findings),
    ]


def _cosine_gates(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    bounds = recipe.evaluate.gates.cosine_p1
    for name, facts in findings.artifacts.items():
        if name in bounds:
            what = f"cosine of {name} to the student in torch, first percentile"
            yield _gate(f"{name} parity", what, facts.cosine.p1, bounds[name], "min")


def _loss_gates(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.tar_loss
    whole = _tar(findings, Key(student("fp32"), student("fp32")), fmr)
    for name in findings.artifacts:
        if name == "fp32":
            continue
        part = _tar(findings, Key(student(name), student(name)), fmr)
        loss = None if whole is None or part is None else 100 * (whole - part)
        what = f"TAR that {name} loses against fp32 at FMR {fmr:g}"
        yield _gate(f"{name} accuracy", what, loss, 100 * bound, "max", "points")


def _cross_space_gate(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    """Absent where the student has a space of its own and nobody asked for more."""
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.cross_space_tar
    across = Key(TEACHER, student("fp32"))
    if bound or any(one.key == across for one in findings.comparisons):
        value = _tar(findings, across, fmr)
        what = f"TAR of student probes against the teacher's gallery at FMR {fmr:g}"
        share = None if value is None else 100 * value
        yield _gate("no re-enrolment", what, share, 100 * bound, "min", "%")


def _tar(findings: ParityResult, key: Key, fmr: float) -> float | None:
    points = (one.tar_at(fmr) for one in findings.comparisons if one.key == key)
    return next((point.tar for point in points if point), None)


def _gate(
    name: str, what: str, value: float | None, bound: float, side: Direction, unit: str = ""
) -> Gate:
    told = None if value is None else round(value, 5)
    return Gate.of(name, what, told, bound, side, unit)
