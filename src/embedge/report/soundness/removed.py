"""Gates that a report must have: none was dropped because it failed."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from embedge.calibration.evaluation.figures import Key, Side
from embedge.report.gate.defaults import COSINE_P1
from embedge.report.gate.measurand import CROSS, FLOAT, NETWORK, OWN, Measurand
from embedge.report.model import Report
from embedge.report.soundness.asked import gates_asked

__all__ = ["removed"]

# what every run asks of its student
_PROOF = {
    "held-out people": Measurand("held-out-faults"),
    "equal error rate": Measurand("eer", key=OWN),
    "thresholds": Measurand("threshold-fmr"),
    "thresholds hold": Measurand("fmr-over-promise"),
}


def removed(report: Report) -> Iterator[str]:
    """Every one that is missing; a device's stands in for none of the run."""
    measured = [one.measures for one in report.verdict.gates if not one.measures.on]
    given = {replace(one, fmr=None, checked=()) for one in measured}
    of_run = _of_run(report, given)
    asked = dict(_of_the_run(report)) if of_run else {}
    faults = any(one.figure == "faults" for one in given)
    if faults or (not of_run and (report.evaluation or gates_asked(report))):
        asked |= dict(_of_an_evaluation(report))
    for name, measures in asked.items():
        if measures not in given:
            yield f"the gate '{name}' is not among the others of its kind"


def _of_run(report: Report, given: Collection[Measurand]) -> bool:
    """Only a run has a recipe or a network to export, and judges artifacts on people."""
    own = set(_PROOF.values()) - {_PROOF["equal error rate"]}
    made = any(one.cosine_to_torch is not None for one in report.artifacts)
    judged = bool(report.artifacts and report.comparisons)
    return bool(own & set(given) or report.provenance.recipe) or made or judged


def _of_the_run(report: Report) -> Iterator[tuple[str, Measurand]]:
    yield from _PROOF.items()
    known = {one.key for one in report.comparisons}
    if CROSS in known:
        yield "no re-enrolment", Measurand("tar", key=CROSS)
    for key in sorted(known):
        if key.gallery == key.probe and _narrower(key.probe):
            name = str(key.probe.artifact)
            yield f"{name} accuracy", Measurand("tar-lost", name, against=FLOAT)
    for artifact in report.artifacts:
        if artifact.cosine_to_torch is not None and artifact.name in _near(report):
            measures = Measurand("cosine-p1", artifact.name, against=NETWORK)
            yield f"{artifact.name} parity", measures


def _near(report: Report) -> Collection[str]:
    """The artifacts that are asked how near they are, by a recipe or by default."""
    found = gates_asked(report).get("cosine_p1")
    return found if isinstance(found, dict) else COSINE_P1


def _of_an_evaluation(report: Report) -> Iterator[tuple[str, Measurand]]:
    alone = {one.gallery for one in report.comparisons if one.gallery == one.probe}
    yield "faults: the data", Measurand("faults")
    for one in report.evaluation.tested if report.evaluation else ():
        key = Key(one.side, one.side)
        yield f"faults: {one.side}", Measurand("faults", key=key)
        if one.side in alone:
            yield f"accuracy: {one.side}", Measurand("eer", key=key)


def _narrower(side: Side) -> bool:
    return side.model == "student" and side.artifact not in (None, FLOAT)
