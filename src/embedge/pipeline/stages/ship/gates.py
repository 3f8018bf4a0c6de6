"""The bounds that decide whether a run may be shipped, asked of the far ends of intervals."""

from collections.abc import Iterator

from embedge.calibration.evaluation.figures import Comparison, Key
from embedge.calibration.people.shortage import LOOSEST
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.parity_result import TEACHER, ParityResult, student
from embedge.report.model import Gate

__all__ = ["gates_of", "passing"]

_CROSS_SPACE = 0.8  # of a student that shares its teacher's space, unless the recipe says more


def gates_of(recipe: Recipe, findings: ParityResult) -> list[Gate]:
    """Every gate with its value; one that could not be measured has failed."""
    return [
        *_cosine_gates(recipe, findings),
        *_loss_gates(recipe, findings),
        _threshold_gate(recipe, findings),
        _promise_gate(findings),
        _data_gate(findings),
        _student_gate(recipe, findings),
        *_cross_space_gate(recipe, findings),
    ]


def passing(recipe: Recipe, findings: ParityResult) -> frozenset[str]:
    """The artifacts whose own gates hold."""
    own = [*_cosine_gates(recipe, findings), *_loss_gates(recipe, findings)]
    failed = {gate.name.partition(" ")[0] for gate in own if not gate.passed}
    return frozenset(findings.artifacts) - failed


def _cosine_gates(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    bounds = recipe.evaluate.gates.cosine_p1
    for name, facts in findings.artifacts.items():
        if name in bounds:
            what = f"cosine of {name} to the student in torch, first percentile"
            yield Gate.of(f"{name} parity", what, facts.cosine.p1, bounds[name], "min")


def _loss_gates(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    fmr, bound = recipe.evaluate.gate_fmr, recipe.evaluate.gates.tar_loss
    for name, found in findings.artifacts.items():
        if name != "fp32":
            most = None if found.loss is None else 100 * found.loss.high
            what = f"TAR that {name} may lose against fp32 at FMR {fmr:g}, upper end"
            yield Gate.of(f"{name} accuracy", what, most, 100 * bound, "max", "points")


def _threshold_gate(recipe: Recipe, findings: ParityResult) -> Gate:
    asked = recipe.evaluate.threshold_fmr
    targets = [
        None if one.threshold is None else one.threshold.fmr_target
        for one in findings.artifacts.values()
    ]
    loosest = None if None in targets else 100 * max(target for target in targets if target)
    bound = asked if recipe.evaluate.threshold_shortage == "fail" else max(LOOSEST, asked)
    what = f"FMR that the thresholds are set for; {100 * asked:g} % was asked for"
    return Gate.of("thresholds", what, loosest, 100 * bound, "max", "%")


def _promise_gate(findings: ParityResult) -> Gate:
    """Of the comparison whose threshold keeps its promise worst; the data must not refute it."""
    kept = dict[str, float]()
    for one in findings.comparisons:
        held = findings.artifacts.get(one.probe.artifact or "")
        if one.at_threshold is not None and held is not None:
            alone = one.gallery == one.probe
            promised = held.threshold if alone else held.threshold_against_teacher
            if promised is not None:
                kept[one.name] = one.at_threshold.fmr.low / promised.fmr_target
    worst = max(kept, key=lambda name: kept[name], default=None)
    what = f"FMR of the people judged over the FMR promised, lower end (worst: {worst})"
    return Gate.of(
        "thresholds hold", what, None if worst is None else kept[worst], 1.0, "max", "times"
    )


def _data_gate(findings: ParityResult) -> Gate:
    errors = [one.what for one in findings.findings if one.severity == "error"]
    if findings.dataset.thresholds_on == "the same people":
        errors.append("thresholds were set on people who are judged")
    looked = "copies, shuffled labels and people with two roles were looked for"
    what = f"faults that spoil the figures ({'; '.join(errors) or looked})"
    return Gate.of("held-out people", what, float(len(errors)), 0.0, "max")


def _student_gate(recipe: Recipe, findings: ParityResult) -> Gate:
    alone = _comparison(findings, Key(student("fp32"), student("fp32")))
    most = 100 * alone.eer.high if alone is not None and alone.eer is not None else None
    what = "equal error rate of the student alone, upper end"
    return Gate.of("equal error rate", what, most, 100 * recipe.evaluate.gates.eer, "max", "%")


def _cross_space_gate(recipe: Recipe, findings: ParityResult) -> Iterator[Gate]:
    """Absent where the student has a space of its own and nobody asked for more."""
    fmr, given = recipe.evaluate.gate_fmr, recipe.evaluate.gates.cross_space_tar
    one = _comparison(findings, Key(TEACHER, student("fp32")))
    if given or one is not None:
        point = one.tar_at(fmr) if one is not None else None
        least = None if point is None or point.low is None else 100 * point.low
        bound = 100 * (_CROSS_SPACE if given is None else given)
        what = f"TAR of student probes in the teacher's gallery at FMR {fmr:g}, lower end"
        yield Gate.of("no re-enrolment", what, least, bound, "min", "%")


def _comparison(findings: ParityResult, key: Key) -> Comparison | None:
    return next((one for one in findings.comparisons if one.key == key), None)
