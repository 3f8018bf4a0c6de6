"""The pictures of a report: small inline images, the pairs that went worst, and their absence."""

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedge.calibration.evaluation.figures import Line
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.worst import ScoredPair
from embedge.report.model import Evaluation, Pair, Report, Tested, Worst

__all__ = ["picture_uri", "without_pictures", "worst_section"]

_LONGEST_EDGE = 112
_QUALITY = 82


def picture_uri(rgb: NDArray[np.uint8]) -> str:
    """A uint8 RGB array as a JPEG data URI of at most 112 pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((_LONGEST_EDGE, _LONGEST_EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def worst_section(
    impostors: Iterable[ScoredPair],
    genuines: Iterable[ScoredPair],
    *,
    comparison: str,
    line: Line | None,
    label: Callable[[int], str],
    picture: Callable[[int], NDArray[np.uint8]] | None,
) -> Worst:
    """Without `picture` (privacy) the pairs carry labels only."""

    def shown(row: int) -> str | None:
        return picture_uri(picture(row)) if picture else None

    def rows(pairs: Iterable[ScoredPair]) -> tuple[Pair, ...]:
        return tuple(
            Pair(
                round(pair.score, 4),
                shown(pair.gallery),
                shown(pair.probe),
                label(pair.gallery),
                label(pair.probe),
            )
            for pair in pairs
        )

    value, words = (None, "") if line is None else (line.value, line.words)
    return Worst(comparison, value, words, rows(impostors), rows(genuines))


def without_pictures(report: Report) -> Report:
    """The same figures, nobody's picture and nobody's name."""
    if report.evaluation is not None:
        report = replace(report, evaluation=_unnamed(report.evaluation))
    if report.worst is None:
        return report

    def bare(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        return tuple(Pair(pair.cosine) for pair in pairs)

    worst = replace(
        report.worst,
        false_matches=bare(report.worst.false_matches),
        false_non_matches=bare(report.worst.false_non_matches),
    )
    return replace(report, worst=worst)


def _unnamed(evaluation: Evaluation) -> Evaluation:
    def bare(findings: tuple[DataFault, ...]) -> tuple[DataFault, ...]:
        return tuple(replace(one, examples=()) for one in findings)

    def tested(one: Tested) -> Tested:
        seen = one.acquisition and replace(one.acquisition, failures={})
        return replace(one, acquisition=seen, findings=bare(one.findings))

    return replace(
        evaluation,
        findings=bare(evaluation.findings),
        tested=tuple(map(tested, evaluation.tested)),
    )
