"""The bounds of every artifact, asked of far ends of intervals; only a promise is refuted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from embedge.calibration.evaluation.figures import Comparison, Key, promises_of
from embedge.calibration.evaluation.integrity import unjudged
from embedge.calibration.people.shortage import LOOSEST
from embedge.pipeline.stages.ship.parity_result import ParityResult, student
from embedge.report.gate.defaults import COSINE_P1, EER, TAR_LOSS
from embedge.report.gate.ends import Estimate, gate_of_estimate
from embedge.report.gate.measurand import FLOAT, NETWORK, OWN, Checked, Measurand
from embedge.report.model import Gate

__all__ = ["Bounds", "comparison_of", "passing", "proof_gates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Stated by a recipe, or as recipes have them unless they say more.

    `fmr` is what the gates look at; `looser`: a threshold may be set for a looser rate than the
    one asked for, where too few people carry that. `strict`: what too few people show has failed.
    `whom` artifacts are near to, and who is judged
    `alone`, are words for the report.
    """

    fmr: float
    threshold_fmr: float
    cosine_p1: Mapping[str, float] = field(default_factory=lambda: COSINE_P1)
    tar_loss: float = TAR_LOSS
    eer: float = EER
    looser: bool = True
    strict: bool = False
    whom: str
    alone: str


def proof_gates(bounds: Bounds, parity: ParityResult) -> list[Gate]:
    """Every gate with its value; one that could not be measured has failed."""
    return [
        *_cosine_gates(bounds, parity),
        *_loss_gates(bounds, parity),
        _threshold_gate(bounds, parity),
        _promise_gate(parity),
        _data_gate(parity),
        _student_gate(bounds, parity),
    ]


def passing(bounds: Bounds, parity: ParityResult) -> frozenset[str]:
    """The artifacts that fail no gate of their own and have a threshold to decide at."""
    own = [*_cosine_gates(bounds, parity), *_loss_gates(bounds, parity)]
    failed = {gate.measures.of for gate in own if gate.outcome == "failed"}
    failed |= {name for name, one in parity.artifacts.items() if one.threshold is None}
    return frozenset(parity.artifacts) - failed


def _cosine_gates(bounds: Bounds, parity: ParityResult) -> Iterator[Gate]:
    for name, facts in parity.artifacts.items():
        if name in bounds.cosine_p1:
            what = f"cosine of {name} to {bounds.whom}, first percentile"
            measures, bound = Measurand("cosine-p1", name, against=NETWORK), bounds.cosine_p1[name]
            yield Gate.of(measures, f"{name} parity", what, facts.cosine.p1, bound, "min")


def _loss_gates(bounds: Bounds, parity: ParityResult) -> Iterator[Gate]:
    people = parity.dataset.identities
    for name in parity.artifacts:
        if name != FLOAT:
            alone, bound = comparison_of(parity, Key(student(name), student(name))), bounds.tar_loss
            most = None
            if alone is not None and (loss := alone.loss) is not None:
                most = Estimate(loss.difference, loss.low, loss.high, people)
            what = f"TAR that {name} may lose against {FLOAT} at FMR {bounds.fmr:g}, upper end"
            measures = Measurand("tar-lost", name, against=FLOAT, fmr=bounds.fmr)
            title, strict = f"{name} accuracy", bounds.strict
            yield gate_of_estimate(
                measures, title, what, most, bound, "max", "points", strict=strict
            )


def _threshold_gate(bounds: Bounds, parity: ParityResult) -> Gate:
    asked = bounds.threshold_fmr
    targets = [
        None if one.threshold is None else one.threshold.fmr_target
        for one in parity.artifacts.values()
    ]
    loosest = None if None in targets else 100 * max(target for target in targets if target)
    bound = max(LOOSEST, asked) if bounds.looser else asked
    what = f"FMR that the thresholds are set for; {100 * asked:g} % was asked for"
    measures = Measurand("threshold-fmr", fmr=asked)
    return Gate.of(measures, "thresholds", what, loosest, 100 * bound, "max", "%")


def _promise_gate(parity: ParityResult) -> Gate:
    """Of the comparison whose threshold keeps its promise worst; the data must not refute it.

    It is the people who set a threshold that the promise rests on: those judged are asked again.
    """
    kept = promises_of(parity.comparisons)
    worst = max(kept, key=lambda key: kept[key], default=None)
    what = (
        "FMR of the people judged over the FMR promised, lower end: past the bound the promise is"
        f" refuted (worst: {worst})"
    )
    value = None if worst is None else kept[worst]
    measures = Measurand("fmr-over-promise")
    return Gate.of(measures, "thresholds hold", what, value, 1.0, "max", "times", worst=worst)


def _data_gate(parity: ParityResult) -> Gate:
    errors = [one.what for one in parity.findings if one.severity == "error"]
    if parity.dataset.thresholds_on == "the same people":
        errors.append("thresholds were set on people who are judged")
    looked = "copies, also those saved again, and shuffled labels were looked for"
    checked: tuple[Checked, ...] = ("copies", "labels")
    if unjudged(parity.findings):
        looked = "copies were looked for, shuffled labels were not: the"
        looked += " teacher tells people apart too poorly"
        checked = ("copies",)
    told = f" ({'; '.join(errors)})" if errors else ""
    what = f"faults that spoil the figures; {looked}{told}"
    measures = Measurand("held-out-faults", checked=checked)
    return Gate.of(measures, "held-out people", what, float(len(errors)), 0.0, "max")


def _student_gate(bounds: Bounds, parity: ParityResult) -> Gate:
    alone = comparison_of(parity, OWN)
    eer, found = None if alone is None else alone.eer, None
    if eer is not None:
        found = Estimate(eer.rate, eer.low, eer.high, parity.dataset.identities)
    what = f"equal error rate of {bounds.alone} alone, upper end"
    return gate_of_estimate(
        Measurand("eer", key=OWN),
        "equal error rate",
        what,
        found,
        bounds.eer,
        "max",
        strict=bounds.strict,
    )


def comparison_of(parity: ParityResult, key: Key) -> Comparison | None:
    return next((one for one in parity.comparisons if one.key == key), None)
