"""The bounds that decide whether a run may be shipped, asked of the far ends of intervals."""

from collections.abc import Iterator

from embedge.pipeline.proving.bounds import Bounds, comparison_of, proof_gates
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.parity_result import ParityResult
from embedge.report.gate.defaults import CROSS_SPACE_TAR
from embedge.report.gate.ends import Estimate, gate_of_estimate
from embedge.report.gate.measurand import CROSS, Measurand
from embedge.report.model import Gate

__all__ = ["bounds_of", "gates_of"]


def gates_of(recipe: Recipe, parity: ParityResult) -> list[Gate]:
    """Every gate with its value; one that could not be measured has failed."""
    return [*proof_gates(bounds_of(recipe), parity), *_cross_space_gate(recipe, parity)]


def bounds_of(recipe: Recipe) -> Bounds:
    evaluate, gates = recipe.evaluate, recipe.evaluate.gates
    return Bounds(
        fmr=evaluate.gate_fmr,
        threshold_fmr=evaluate.threshold_fmr,
        cosine_p1=gates.cosine_p1,
        tar_loss=gates.tar_loss,
        eer=gates.eer,
        looser=evaluate.threshold_shortage == "looser",
        strict=gates.not_shown == "fails",
        whom="the student in torch",
        alone="the student",
    )


def _cross_space_gate(recipe: Recipe, parity: ParityResult) -> Iterator[Gate]:
    """Absent where the student has a space of its own and nobody asked for more."""
    fmr, gates = recipe.evaluate.gate_fmr, recipe.evaluate.gates
    given = gates.cross_space_tar
    one = comparison_of(parity, CROSS)
    if given or one is not None:
        point = one.tar_at(fmr) if one is not None else None
        found = None
        if point is not None and point.tar is not None:
            low, high = point.low or 0.0, 1.0 if point.high is None else point.high
            found = Estimate(point.tar, low, high, parity.dataset.identities)
        bound = CROSS_SPACE_TAR if given is None else given
        what = f"TAR of student probes in the teacher's gallery at FMR {fmr:g}, lower end"
        measures, strict = Measurand("tar", key=CROSS, fmr=fmr), gates.not_shown == "fails"
        yield gate_of_estimate(
            measures, "no re-enrolment", what, found, bound, "min", strict=strict
        )
