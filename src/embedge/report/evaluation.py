"""The report of `embedge evaluate`: curves, histograms, the heat map of a matrix, groups."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from embedge.calibration.evaluation.faces import StampedFaces
from embedge.calibration.evaluation.figures import Comparison
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.slices import Slices
from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.trials.pairwise import Evidence
from embedge.calibration.trials.result import EvaluatedData, EvaluationResult, ModelResult
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

__all__ = ["report_from_evaluation", "worst_of"]

_WORST_SHOWN = 10
_PACKAGES = ("embedge", "numpy", "onnxruntime", "pillow")


def report_from_evaluation(
    result: EvaluationResult, command: str, worst: Worst | None = None, *, named: bool = True
) -> Report:
    """A whole report; its gates say whether the data can be trusted.

    Findings and failures count faces, and name them only if they may be `named`.
    """
    models, data = result.models, result.data
    gates = [_faults(data.findings, "the data")]
    gates += [_faults(model.result.findings, model.name) for model in models]
    dataset = Dataset(
        name=result.protocol.source or result.protocol.name,
        fingerprint=data.fingerprint,
        identities=data.subjects,
        images=data.images,
        people=_people(data),
    )
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
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
        ),
        worst=worst,
        provenance=Provenance(
            versions={name: version(name) for name in _PACKAGES},
            data_fingerprint=data.fingerprint,
            more={f"model {model.name}": _source(model) for model in models},
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
        threshold=_line(model.result.comparison),
        label=lambda row: faces.record_name(numbers[row]) if shown else "",
        picture=(lambda row: cut.read(numbers[row])) if shown else None,
    )


def _line(found: Comparison | None) -> float | None:
    """The model's own threshold, or that of the lowest FMR that these people carry."""
    if found is None:
        return None
    if found.at_threshold is not None:
        return found.at_threshold.threshold
    carried = [point.threshold for point in found.tar if point.threshold is not None]
    return carried[-1] if carried else None


def _faults(findings: Sequence[DataFault], where: str) -> Gate:
    errors = [finding for finding in findings if finding.severity == "error"]
    told = "; ".join(finding.what for finding in errors) or "no leak, contradiction or shuffle"
    what = f"faults that spoil the figures ({told})"
    return Gate.of(f"faults: {where}", what, float(len(errors)), 0.0, "max")


def _people(data: EvaluatedData) -> str:
    leaks = any(finding.code == "leaking-split" for finding in data.findings)
    if data.trained_on_known and not leaks:
        return "people who are not on the list of those trained on"
    return "people of whom some were trained on" if leaks else "the people given"


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
    """The worst group beside the best, where chance does not explain the difference."""
    for prefix, slices in _sliced(models):
        yield from (SliceRatio(prefix + worst.words) for worst in slices.worst if worst.words)


def _sliced(models: Sequence[ModelResult]) -> Iterator[tuple[str, Slices]]:
    for model in models:
        if model.result.slices is not None:
            yield (f"{model.name}, " if len(models) > 1 else ""), model.result.slices


def _source(model: ModelResult) -> str:
    return f"sha256 {model.sha256}, on {model.provider}; contract: {model.contract_from}"
