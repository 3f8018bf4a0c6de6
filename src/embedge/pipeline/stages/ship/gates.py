"""The bounds that decide whether a run may be shipped."""

from collections.abc import Iterator

from embedge.calibration.evaluation.figures import Key
from embedge.pipeline.proving.bounds import cosine_gates, gate, loss_gates, tar_of
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.report.model import Gate

__all__ = ["gates_of"]


def gates_of(recipe: Recipe, findings: ParityResult) -> list[Gate]:
    """Every gate with its value; one that could not be measured has failed."""
    evaluate = recipe.evaluate
    return [
        *cosine_gates(evaluate.gates.cosine_p1, findings, "the student in torch"),
        *loss_gates(evaluate.gate_fmr, evaluate.gates.tar_loss, findings),
        *_cross_space_gate(recipe, findings),
    ]


def _cross_space_gate(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    """Absent where the student has a space of its own and nobody asked for more."""
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.cross_space_tar
    across = Key(TEACHER, student("fp32"))
    if bound or any(one.key == across for one in findings.comparisons):
        value = tar_of(findings, across, fmr)
        what = f"TAR of student probes against the teacher's gallery at FMR {fmr:g}"
        share = None if value is None else 100 * value
        yield gate("no re-enrolment", what, share, 100 * bound, "min", "%")
