"""The report of `embedge evaluate`: curves, histograms, the heat map of a matrix, groups."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np

from embedge.calibration.evaluation.faces import StampedFaces
from embedge.calibration.evaluation.figures import Comparison, Key, ThresholdsOn
from embedge.calibration.evaluation.integrity import DataFault, unjudged
from embedge.calibration.evaluation.slices import Slices
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.people.zoo import Zoo, zoo_of
from embedge.calibration.scores import PairScores
from embedge.calibration.trials.pairwise import Evidence
from embedge.calibration.trials.result import EvaluatedData, EvaluationResult, ModelResult
from embedge.printed import now_in_utc
from embedge.report.gate.defaults import EER
from embedge.report.gate.ends import Estimate, gate_of_estimate
from embedge.report.gate.measurand import THRESHOLD_LOOKED, Checked, Measurand
from embedge.report.model import (
    Dataset,
    Evaluation,
    Gate,
    Provenance,
    Report,
    Slice,
    SliceRatio,
    Tested,
    Verdict,
    Worst,
)
from embedge.report.render.pictures import worst_section

__all__ = ["eer_gates", "report_from_evaluation", "worst_of"]

_WORST_SHOWN = 10
_SOUGHT: dict[Checked, str] = {
    "leaks": "people trained on",
    "copies": "copies under two names",
    "pairs": "pairs and folds that contradict the people",
}
_PACKAGES = ("embedge", "numpy", "onnxruntime", "pillow")


def report_from_evaluation(
    result: EvaluationResult,
    command: str,
    worst: Worst | None = None,
    *,
    named: bool = True,
    most_eer: float = EER,
    licences: tuple[str | None, str | None] = (None, None),
    scores: PairScores | None = None,
) -> Report:
    """A whole report; its gates say whether the data can be trusted and the models are any good.

    `licences` are those of the weights and of the data; `scores` are the first model's. Findings
    and failures count faces, and name them only if they may be `named`.
    """
    models, data = result.models, result.data
    of_data = Measurand("faults", checked=tuple(_checked(result)))
    gates = [_faults(data.findings, "the data", of_data, _looked_for(result))]
    gates += _label_gates(result)
    gates += eer_gates(result, most_eer)
    dataset = Dataset(
        name=result.protocol.source or result.protocol.name,
        fingerprint=data.fingerprint,
        identities=data.subjects,
        images=data.images,
        people=_people(data),
        thresholds_on=_thresholds_on(models),
    )
    return Report(
        created=now_in_utc(),
        title=f"{', '.join(model.name for model in models)}: {result.protocol.name}",
        command=command,
        verdict=Verdict.of(gates),
        evaluation=Evaluation(
            dataset,
            tuple(_comparisons(result)),
            slices=tuple(_slices(models)),
            slice_ratios=tuple(_ratios(models)),
            findings=_told(data.findings, named),
            tested=tuple(_tested(model, named) for model in models),
            zoo=_zoo(models[0].result.comparison, scores),
        ),
        worst=worst,
        provenance=Provenance(
            versions={name: version(name) for name in _PACKAGES},
            data_fingerprint=data.fingerprint,
            weight_licence=licences[0],
            data_licence=licences[1],
            more={f"model {model.name}": _source(model) for model in models}
            | {"gates": {"eer": most_eer, "not_shown": "told"}},
        ),
    )


def worst_of(model: ModelResult, evidence: Evidence, faces: StampedFaces, *, shown: bool) -> Worst:
    """The closest strangers and the most unlike pictures of one person, for one model.

    Neither names nor pictures are there unless `shown`.
    """
    worst = worst_pairs(evidence.scores, _WORST_SHOWN)
    # scores count the faces that were embedded
    numbers = np.flatnonzero(evidence.embedded.acquired).tolist()
    cut = faces.aligned_for(model.contract)
    return worst_section(
        worst.impostors,
        worst.genuines,
        comparison=model.name,
        line=found.line if (found := model.result.comparison) else None,
        label=lambda row: faces.record_name(numbers[row]) if shown else "",
        picture=(lambda row: cut.read(numbers[row])) if shown else None,
    )


def _zoo(found: Comparison | None, scores: PairScores | None) -> Zoo | None:
    if found is None or scores is None or found.line is None:
        return None
    return zoo_of(scores, found.line.value, found.name, found.line.words)


def eer_gates(result: EvaluationResult, most: float) -> list[Gate]:
    """One of every model that verified anything; what could not be told has failed."""
    gates = []
    for model in result.models:
        found = model.result.comparison
        if found is not None:
            eer, many = found.eer, found.subjects
            rate = None if eer is None else Estimate(eer.rate, eer.low, eer.high, many)
            people = f"{many:,} {'person' if many == 1 else 'people'}"
            what = f"equal error rate of {model.name}, upper end (of {people})"
            measures, name = Measurand("eer", key=found.key), f"accuracy: {model.name}"
            gates.append(gate_of_estimate(measures, name, what, rate, most, "max"))
    return gates


def _on_templates(result: EvaluationResult) -> bool:
    return any(model.result.templates is not None for model in result.models)


def _checked(result: EvaluationResult) -> Iterator[Checked]:
    """Templates repeat pictures on purpose: copies among them say nothing."""
    if result.data.trained_on_known:
        yield "leaks"
    if not _on_templates(result):
        yield "copies"
    if result.protocol.name == "pairs":
        yield "pairs"


def _label_gates(result: EvaluationResult) -> Iterator[Gate]:
    for model in result.models:
        blind = unjudged(model.result.findings)
        labels = not (blind or _on_templates(result))
        seen = ["shuffled labels were looked for" if labels else "labels were not checked"]
        seen[0] += ": it tells people apart too poorly" if blind else ""
        checked: list[Checked] = ["labels"] if labels else []
        if model.thresholds_on != "not checked":
            seen.append(THRESHOLD_LOOKED)
            checked.append("threshold")
        key = Key(model.side, model.side)
        measures = Measurand("faults", key=key, checked=tuple(checked))
        yield _faults(model.result.findings, model.name, measures, "; ".join(seen))


def _looked_for(result: EvaluationResult) -> str:
    some = [_SOUGHT[one] for one in _checked(result)]
    looked = f"looked for: {', '.join(some)}" if some else "nothing was looked for"
    why = "the list of --trained-on names nobody here" if result.data.trained_on else ""
    leaks = f"; not checked: leaks, as {why or 'no --trained-on was given'}"
    return looked + ("" if result.data.trained_on_known else leaks)


def _thresholds_on(models: Sequence[ModelResult]) -> ThresholdsOn:
    """Of all models that bring a threshold: what is true of each of them."""
    told = {model.thresholds_on for model in models if model.threshold is not None}
    if "the same people" in told:
        return "the same people"
    return "other people" if told == {"other people"} else "not checked"


def _apart(data: EvaluatedData) -> bool:
    leaks = any(finding.code == "leaking-split" for finding in data.findings)
    return data.trained_on_known and not leaks


def _faults(
    findings: Sequence[DataFault], where: str, measures: Measurand, looked_for: str
) -> Gate:
    errors = [finding for finding in findings if finding.severity == "error"]
    told = f" ({'; '.join(finding.what for finding in errors)})" if errors else ""
    what = f"faults that spoil the figures; {looked_for}{told}"
    return Gate.of(measures, f"faults: {where}", what, float(len(errors)), 0.0, "max")


def _people(data: EvaluatedData) -> str:
    if _apart(data):
        return f"people who are not on the list of those trained or calibrated on{_list(data)}"
    if data.trained_on_known:
        return "people of whom some were trained on"
    return f"the people given (not checked: whether any of them was trained on){_list(data)}"


def _list(data: EvaluatedData) -> str:
    return f" ({data.trained_on})" if data.trained_on else ""


def _comparisons(result: EvaluationResult) -> Iterator[Comparison]:
    """Each model alone, then every pair of two models that the matrix adds."""
    drifts = {cell.key: cell.drift for cell in result.matrix}
    for model in result.models:
        if (alone := model.result.comparison) is not None:
            yield replace(alone, drift=drifts.get(alone.key))
    yield from (cell for cell in result.matrix if cell.gallery != cell.probe)


def _tested(model: ModelResult, named: bool) -> Tested:
    found, failures = model.result, model.result.acquisition.failures
    return Tested(
        model.side,
        replace(found.acquisition, failures=failures if named else {}),
        found.accuracy,
        found.templates,
        found.identification or {},
        _told(found.findings, named),
    )


def _told(findings: tuple[DataFault, ...], named: bool) -> tuple[DataFault, ...]:
    return findings if named else tuple(replace(one, examples=()) for one in findings)


def _slices(models: Sequence[ModelResult]) -> Iterator[Slice]:
    for prefix, slices in _sliced(models):
        yield from (replace(part, label=prefix + part.label) for part in slices.slices)


def _ratios(models: Sequence[ModelResult]) -> Iterator[SliceRatio]:
    """The worst group beside the best, where chance does not explain it, and who is in none."""
    for prefix, slices in _sliced(models):
        yield from (SliceRatio(prefix + worst.words) for worst in slices.worst if worst.words)
        yield from (SliceRatio(prefix + one.words) for one in slices.ungrouped)


def _sliced(models: Sequence[ModelResult]) -> Iterator[tuple[str, Slices]]:
    for model in models:
        if model.result.slices is not None:
            yield (f"{model.name}, " if len(models) > 1 else ""), model.result.slices


def _source(model: ModelResult) -> str:
    return f"sha256 {model.sha256}, on {model.provider}; contract: {model.contract_from}"
