"""What speaks against a report, and what nobody checked: shown before anything else."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from embedge.calibration.evaluation.figures import ENOUGH
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.people.shortage import shortage_text
from embedge.report.model import Report, Tested
from embedge.report.render.words import bound_text, percent

__all__ = ["Caution", "cautions_of"]

_NAMED = 3
_GUESSING = 0.5
_WHOLE = {"%": (0.0, 100.0), "points": (-100.0, 100.0)}  # all that a value can be


@dataclass(frozen=True, slots=True)
class Caution:
    """`against` is a fact that was found; the others were only not checked or rest on little."""

    kind: Literal["against", "unchecked", "few"]
    text: str


def cautions_of(report: Report) -> list[Caution]:
    return [
        *(Caution("against", text) for text in _against(report)),
        *(Caution("unchecked", text) for text in _unchecked(report)),
        *(Caution("few", text) for text in _few(report)),
    ]


def _against(report: Report) -> Iterator[str]:
    yield from _vacuous(report)
    evaluation = report.evaluation
    if evaluation is not None:
        yield from _failures(evaluation.tested)
        yield from _findings("", evaluation.findings)
        for one in evaluation.tested:
            yield from _findings(f"{one.side}: ", one.findings)
    for artifact in report.artifacts:
        if artifact.shortage is not None:
            yield f"{artifact.name}: {shortage_text(artifact.shortage, artifact.threshold)}."
        elif artifact.threshold is None and evaluation is not None:
            yield f"{artifact.name} has no threshold."


def _vacuous(report: Report) -> Iterator[str]:
    """What held because nothing could have missed it."""
    for gate in report.verdict.gates:
        least, most = _WHOLE.get(gate.unit, (-1.0, math.inf))
        free = gate.bound <= least if gate.direction == "min" else gate.bound >= most
        if gate.passed and free:
            bound = bound_text(gate.bound, gate.direction, gate.unit)
            yield f"The gate '{gate.name}' cannot fail: its bound is {bound}."
    for one in report.comparisons:
        alone = one.gallery == one.probe  # strangers of two spaces are guessed, and may be
        if alone and one.eer is not None and one.eer.high >= _GUESSING:
            yield (
                f"{one.key}: the interval of the equal error rate reaches {percent(one.eer.high)},"
                " which is guessing."
            )


def _failures(tested: Sequence[Tested]) -> Iterator[str]:
    for one in tested:
        seen, made = one.acquisition, one.templates
        if seen is not None and seen.failed:
            left = f"; {seen.comparisons_left_out:,} comparisons were left out"
            yield (
                f"{one.side}: {seen.failed:,} of {seen.attempted:,} pictures could not be used"
                f" (failure to acquire {percent(seen.rate)}"
                f"{left if seen.comparisons_left_out else ''}). The rates below leave them out."
            )
        if made is not None and made.failed:
            yield (
                f"{one.side}: {made.failed:,} of {made.total:,} templates hold no usable picture"
                f" (failure to enrol {percent(made.rate)})."
            )


def _findings(whose: str, findings: Sequence[DataFault]) -> Iterator[str]:
    for one in findings:
        named = f": {'; '.join(one.examples[:_NAMED])}" if one.examples else ""
        more = " …" if one.count > _NAMED and one.examples else ""
        yield f"{whose}{one.what}{named}{more}."


def _unchecked(report: Report) -> Iterator[str]:
    evaluation = report.evaluation
    if evaluation is None:
        return
    if "not checked" in evaluation.dataset.people:
        yield "Whether any of these people was trained on."
    at_all = any(one.at_threshold for one in evaluation.comparisons)
    if at_all and evaluation.dataset.thresholds_on == "not checked":
        yield "Whether thresholds were set on people who are judged here."
    if not any(one.acquisition for one in evaluation.tested):
        yield "How many pictures could not be used (failures to acquire)."


def _few(report: Report) -> Iterator[str]:
    points = [point for one in report.comparisons for point in one.tar if point.tar is not None]
    few = sum(point.few for point in points)
    if few:
        yield (
            f"{few} of {len(points)} accept rates rest on fewer than {ENOUGH} errors; they are"
            " greyed below."
        )
