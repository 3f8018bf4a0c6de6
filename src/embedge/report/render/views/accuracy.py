"""The evaluation: who against whom, at which rates, drawn and in numbers."""

from collections.abc import Sequence
from typing import Any

from embedge.calibration.evaluation.figures import (
    Comparison,
    DriftPoint,
    EqualErrorRate,
    Rate,
    TarPoint,
)
from embedge.report.model import Report, Slice
from embedge.report.render.plots import det_plot, histogram_plot, occupied
from embedge.report.render.views.tested import searches_view, tested_view, zoo_view
from embedge.report.render.words import bare_percent, cosine_text, one_in, percent, rate_text

__all__ = ["accuracy_view"]

_MOST_HISTOGRAMS = 6
_MOST_BANDS = 4  # more of them hide each other
_PEOPLE = "people no network was trained on"


def accuracy_view(report: Report) -> dict[str, Any] | None:
    evaluation = report.evaluation
    if evaluation is None:
        return None
    comparisons = evaluation.comparisons
    baselines = {model.name for model in report.models if model.role == "baseline"}
    points = [point for one in comparisons for point in one.tar]
    rates = sorted({point.fmr for point in points if point.tar is not None})[::-1]
    return {
        "dataset": evaluation.dataset,
        "people": evaluation.dataset.people or _PEOPLE,
        "pairs": _same_pairs(comparisons),
        "uncarried": _uncarried(points, rates),
        "rates": [{"text": rate_text(rate), "one_in": one_in(rate)} for rate in rates],
        "rows": [
            _row(style, one, rates, baselines)
            for style, one in zip(_styles(comparisons), comparisons, strict=True)
        ],
        "confidence": _confidence(comparisons),
        "few": any(point.few for one in comparisons for point in one.tar),
        "tested": tested_view(report),
        "searches": searches_view(report),
        "zoo": zoo_view(report),
        "decisions": _decisions(comparisons),
        "decisions_on": _DECIDED[evaluation.dataset.thresholds_on],
        "drifts": _drifts(comparisons),
        "dets": _dets(comparisons),
        "matrix": _matrix(comparisons),
        "histograms": _histograms(comparisons),
        "slice_ratios": [ratio.words for ratio in evaluation.slice_ratios],
        "slices": [_slice(row) for row in evaluation.slices],
    }


_DECIDED = {
    "other people": "The thresholds came with the artifacts: they were fixed beforehand, on other"
    " people; the pictures of both were compared.",
    "the same people": "The thresholds were fixed on people who are judged here too: these rates"
    " flatter them.",
    "not checked": "The thresholds came with the artifacts. Not checked: whether they were fixed on"
    " other people than these.",
}


def _uncarried(points: Sequence[TarPoint], rates: Sequence[float]) -> list[str]:
    """What nobody's comparisons carry: a column of its own would say nothing else."""
    lacking = {point.fmr: point for point in points if point.fmr not in rates}
    return [
        f"TAR at FMR {rate_text(fmr)}: insufficient data: {lacking[fmr].shortage}."
        for fmr in sorted(lacking, reverse=True)
    ]


def _confidence(comparisons: Sequence[Comparison]) -> str:
    known = {f"{100 * one.confidence:g}" for one in comparisons}
    return known.pop() if len(known) == 1 else "95"


def _styles(comparisons: Sequence[Comparison]) -> list[int]:
    """A probe keeps its colour and dash in every drawing."""
    probes = list(dict.fromkeys(one.probe for one in comparisons))
    return [probes.index(one.probe) for one in comparisons]


def _dets(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """One drawing of models by themselves, one of galleries that another model enrolled."""
    styled = [pair for pair in zip(_styles(comparisons), comparisons) if pair[1].det]
    drawn = []
    for name, title, alone in (
        ("own", "a model's own gallery", True),
        ("cross", "a gallery of another model", False),
    ):
        chosen = [pair for pair in styled if (pair[1].gallery == pair[1].probe) == alone]
        if chosen:
            bands = len(chosen) <= _MOST_BANDS
            drawn.append(
                {
                    "title": f"Error trade-off, {title}",
                    "svg": det_plot(chosen, name=f"det{name}", bands=bands),
                    "bands": bands,
                    "drawable": any(one.det and one.det.drawable for _, one in chosen),
                    "lines": [{"style": style, "name": one.name} for style, one in chosen],
                }
            )
    return drawn


def _pairs(one: Comparison) -> str:
    return f"{one.genuine:,} genuine and {one.impostor:,} impostor"


def _same_pairs(comparisons: Sequence[Comparison]) -> str | None:
    """Said once where it is the same for all."""
    told = {_pairs(one) for one in comparisons}
    return told.pop() if len(told) == 1 else None


def _row(
    style: int, one: Comparison, rates: Sequence[float], baselines: set[str]
) -> dict[str, Any]:
    points = {point.fmr: point for point in one.tar}
    return {
        "style": style,
        "has_curve": one.det is not None,
        "name": one.name,
        "gallery": str(one.gallery),
        "probe": str(one.probe),
        "baseline": bool(baselines & {one.gallery.model, one.probe.model}),
        "pairs": _pairs(one),
        "eer": _equal_error(one),
        "tar": [_tar(points.get(rate)) for rate in rates],
        "facts": _facts(one),
    }


def _equal_error(one: Comparison) -> dict[str, str]:
    if one.eer is None:
        return {"text": "–", "detail": ""}
    return {"text": percent(one.eer.rate, 2), "detail": _between(one.eer)}


def _tar(point: TarPoint | None) -> dict[str, Any]:
    told = {"text": "–", "detail": "", "few": False, "evidence": []}
    if point is None:
        return told
    if point.tar is None:
        return {**told, "text": "", "detail": point.lacks}
    detail = ""
    if point.low is not None and point.high is not None:
        detail = f"{bare_percent(point.low)} – {bare_percent(point.high)}"
    return {
        "text": percent(point.tar, 1),
        "detail": detail,
        "few": point.few,
        "evidence": _evidence(point),
    }


def _evidence(point: TarPoint) -> list[str]:
    """What a TAR rests on: the FMR it really has, and the errors of both kinds."""
    lines = []
    if (measured := point.measured) is not None:
        ends = f"{bare_percent(measured.low, 2)} – {bare_percent(measured.high, 2)}"
        lines += [f"FMR {percent(measured.rate, 2)}", ends]
    if point.false_matches is not None and point.false_non_matches is not None:
        lines.append(f"{point.false_matches:,} false, {point.false_non_matches:,} missed")
    return lines


def _facts(one: Comparison) -> list[str]:
    facts = []
    if (same := one.same_image) is not None:
        mean, p1, least = (cosine_text(value, 3) for value in (same.mean, same.p1, same.min))
        facts.append(f"same picture: cosine {mean}, p1 {p1}, min {least}")
    if (loss := one.loss) is not None:
        lost, low, high = (_points(value) for value in (loss.difference, loss.low, loss.high))
        where = f"TAR lost against {loss.reference} at FMR {rate_text(loss.fmr)}"
        facts.append(f"{where}: {lost} points ({low} to {high})")
    return facts


def _points(share: float) -> str:
    return f"{100 * share:.2f}".replace("-", "−")


def _decisions(comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """What the thresholds that were fixed on other people do on these."""
    return [
        {
            "name": one.name,
            "threshold": f"{at.threshold:.4f}",
            "fmr": percent(at.fmr.rate, 2),
            "fnmr": percent(at.fnmr.rate, 2),
            "fmr_between": _between(at.fmr),
            "fnmr_between": _between(at.fnmr),
        }
        for one in comparisons
        if (at := one.at_threshold)
    ]


def _between(rate: Rate | EqualErrorRate) -> str:
    return f"{percent(rate.low, 2)} – {percent(rate.high, 2)}"


def _drifts(comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """One line per comparison, at the lowest FMR both carry: where a device would work."""
    return [
        {
            "name": one.name,
            "reference": str(drift.reference),
            **_drift(min(drift.points, key=lambda point: point.fmr)),
        }
        for one in comparisons
        if (drift := one.drift) and drift.points
    ]


def _drift(point: DriftPoint) -> dict[str, str]:
    share = point.flips / point.comparisons if point.comparisons else None
    return {
        "fmr": rate_text(point.fmr),
        "thresholds": f"{point.reference_threshold:.4f} → {point.threshold:.4f}",
        "drift": f"{point.drift:+.4f}".replace("-", "−"),
        "flips": f"{point.flips:,}",
        "share": percent(share, 3),
        "genuine": f"+{point.genuine_won:,} / −{point.genuine_lost:,}",
        "impostor": f"+{point.impostor_won:,} / −{point.impostor_lost:,}",
    }


def _matrix(comparisons: Sequence[Comparison]) -> dict[str, Any] | None:
    """Gallery × probe at the lowest FMR that every comparison carries, on enough errors if any."""
    galleries = list(dict.fromkeys(one.gallery for one in comparisons))
    probes = list(dict.fromkeys(one.probe for one in comparisons))
    rates = [{point.fmr for point in one.tar if point.tar is not None} for one in comparisons]
    shared = set.intersection(*rates) if rates else set()
    if not shared or len(galleries) < 2 or len(probes) < 2:
        return None
    few = {point.fmr for one in comparisons for point in one.tar if point.few}
    rate = min(shared - few or shared)
    cells = {
        (one.gallery, one.probe): point.tar
        for one in comparisons
        for point in one.tar
        if point.fmr == rate
    }
    return {
        "fmr": rate_text(rate),
        "few": rate in few,
        "probes": [str(probe) for probe in probes],
        "rows": [
            {
                "gallery": str(gallery),
                "cells": [_cell(cells.get((gallery, probe))) for probe in probes],
            }
            for gallery in galleries
        ],
    }


def _cell(tar: float | None) -> dict[str, Any]:
    """The tint runs from 50 % to 100 %: what lies below is equally hopeless."""
    if tar is None:
        return {"text": "", "tint": None}
    return {"text": percent(tar, 1), "tint": round(100 * max(tar - 0.5, 0) / 0.5)}


def _histograms(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    shown = comparisons[:_MOST_HISTOGRAMS]
    limits = occupied([one.histogram for one in shown])
    return [
        {"title": one.name, "svg": histogram_plot(one, name=f"hist{index}", limits=limits)}
        for index, one in enumerate(shown)
    ]


def _slice(row: Slice) -> dict[str, str]:
    def rate(rate: float | None, low: float | None, high: float | None) -> str:
        if rate is None:
            return "insufficient data"
        text = percent(rate, 2)
        return text if low is None else f"{text} ({percent(low, 2)} – {percent(high, 2)})"

    return {
        "label": row.label,
        "value": row.value,
        "fmr": rate(row.fmr, row.fmr_low, row.fmr_high),
        "fnmr": rate(row.fnmr, row.fnmr_low, row.fnmr_high),
    }
