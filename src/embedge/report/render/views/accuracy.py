"""The evaluation: who against whom, at which rates, drawn and in numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedge.report.render.plots import det_plot, histogram_plot, occupied
from embedge.report.render.words import one_in, percent, rate_text

__all__ = ["accuracy_view"]

_MOST_HISTOGRAMS = 6
_MOST_BANDS = 4  # more of them hide each other


def accuracy_view(report: Mapping[str, Any]) -> dict[str, Any] | None:
    evaluation = report.get("evaluation")
    if not evaluation:
        return None
    comparisons = evaluation["comparisons"]
    rates = sorted({point["fmr"] for one in comparisons for point in one.get("tar", [])})[::-1]
    return {
        "dataset": evaluation["dataset"],
        "people": evaluation["dataset"].get("people", "people no network was trained on"),
        "pairs": _same_pairs(comparisons),
        "rates": [{"text": rate_text(rate), "one_in": one_in(rate)} for rate in rates],
        "rows": [
            _row(style, one, rates, report)
            for style, one in zip(_styles(comparisons), comparisons, strict=True)
        ],
        "decisions": _decisions(comparisons),
        "drifts": _drifts(comparisons),
        "dets": _dets(comparisons),
        "matrix": _matrix(comparisons),
        "histograms": _histograms(comparisons),
        "slice_ratios": evaluation.get("slice_ratios", []),
        "slices": [_slice(row) for row in evaluation.get("slices", [])],
    }


def _styles(comparisons: Sequence[Mapping[str, Any]]) -> list[int]:
    """A probe keeps its colour and dash in every drawing."""
    probes = list(dict.fromkeys(one["probe"] for one in comparisons))
    return [probes.index(one["probe"]) for one in comparisons]


def _dets(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One drawing of models by themselves, one of galleries that another model enrolled."""
    styled = [pair for pair in zip(_styles(comparisons), comparisons) if pair[1].get("det")]
    drawn = []
    for name, title, alone in (
        ("own", "a model's own gallery", True),
        ("cross", "a gallery of another model", False),
    ):
        chosen = [pair for pair in styled if (pair[1]["gallery"] == pair[1]["probe"]) == alone]
        if chosen:
            bands = len(chosen) <= _MOST_BANDS
            drawn.append(
                {
                    "title": f"Error trade-off, {title}",
                    "svg": det_plot(chosen, name=f"det{name}", bands=bands),
                    "bands": bands,
                    "lines": [{"style": style, "name": one["name"]} for style, one in chosen],
                }
            )
    return drawn


def _pairs(one: Mapping[str, Any]) -> str:
    return f"{one['genuine']:,} genuine and {one['impostor']:,} impostor"


def _same_pairs(comparisons: Sequence[Mapping[str, Any]]) -> str | None:
    """Said once where it is the same for all."""
    told = {_pairs(one) for one in comparisons}
    return told.pop() if len(told) == 1 else None


def _row(
    style: int, one: Mapping[str, Any], rates: Sequence[float], report: Mapping[str, Any]
) -> dict[str, Any]:
    points = {point["fmr"]: point for point in one.get("tar", [])}
    baselines = {m["name"] for m in report.get("models", []) if m["role"] == "baseline"}
    return {
        "style": style,
        "has_curve": bool(one.get("det")),
        "name": one["name"],
        "gallery": one["gallery"],
        "probe": one["probe"],
        "baseline": bool(baselines & {one["gallery"], one["probe"]}),
        "pairs": _pairs(one),
        "eer": percent(one.get("eer"), 2),
        "tar": [_tar(points.get(rate)) for rate in rates],
        "facts": _facts(one),
    }


def _tar(point: Mapping[str, Any] | None) -> dict[str, str]:
    if point is None:
        return {"text": "–", "detail": ""}
    if point.get("tar") is None:
        return {"text": "", "detail": f"insufficient data: needs {point['needs']:,} impostor pairs"}
    detail = ""
    if point.get("low") is not None and point.get("high") is not None:
        detail = f"{100 * point['low']:.1f} – {100 * point['high']:.1f}"
    return {"text": percent(point["tar"], 1), "detail": detail}


def _facts(one: Mapping[str, Any]) -> list[str]:
    same = one.get("same_image")
    if not same:
        return []
    return [f"same picture: cosine {same['mean']:.3f}, p1 {same['p1']:.3f}, min {same['min']:.3f}"]


def _decisions(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What the thresholds that were fixed on other people do on these."""
    return [
        {
            "name": one["name"],
            "threshold": f"{at['threshold']:.4f}",
            **{kind: _rate(at.get(kind)) for kind in ("fmr", "fnmr")},
            **{f"{kind}_between": _between(at.get(kind)) for kind in ("fmr", "fnmr")},
        }
        for one in comparisons
        if (at := one.get("at_threshold")) and at.get("threshold") is not None
    ]


def _rate(rate: Mapping[str, Any] | None) -> str:
    return "insufficient data" if rate is None else percent(rate["rate"], 2)


def _between(rate: Mapping[str, Any] | None) -> str:
    return "" if rate is None else f"{percent(rate['low'], 2)} – {percent(rate['high'], 2)}"


def _drifts(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One line per comparison, at the lowest FMR both carry: where a device would work."""
    lines = []
    for one in comparisons:
        drift = one.get("drift")
        if drift and drift["points"]:
            point = min(drift["points"], key=lambda point: point["fmr_target"])
            lines.append({"name": one["name"], "reference": drift["reference"], **_drift(point)})
    return lines


def _drift(point: Mapping[str, Any]) -> dict[str, str]:
    share = point["flips"] / point["comparisons"] if point["comparisons"] else None
    return {
        "fmr": rate_text(point["fmr_target"]),
        "thresholds": f"{point['reference_threshold']:.4f} → {point['threshold']:.4f}",
        "drift": f"{point['drift']:+.4f}".replace("-", "−"),
        "flips": f"{point['flips']:,}",
        "share": percent(share, 3),
        "genuine": f"+{point['genuine_won']:,} / −{point['genuine_lost']:,}",
        "impostor": f"+{point['impostor_won']:,} / −{point['impostor_lost']:,}",
    }


def _matrix(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Gallery × probe at the lowest FMR that every comparison carries."""
    galleries = list(dict.fromkeys(one["gallery"] for one in comparisons))
    probes = list(dict.fromkeys(one["probe"] for one in comparisons))
    rates = [
        {point["fmr"] for point in one.get("tar", []) if point.get("tar") is not None}
        for one in comparisons
    ]
    shared = set.intersection(*rates) if rates else set()
    if not shared or len(galleries) < 2 or len(probes) < 2:
        return None
    rate = min(shared)
    cells = {
        (one["gallery"], one["probe"]): point["tar"]
        for one in comparisons
        for point in one["tar"]
        if point["fmr"] == rate
    }
    return {
        "fmr": rate_text(rate),
        "probes": probes,
        "rows": [
            {"gallery": gallery, "cells": [_cell(cells.get((gallery, probe))) for probe in probes]}
            for gallery in galleries
        ],
    }


def _cell(tar: float | None) -> dict[str, Any]:
    """The tint runs from 50 % to 100 %: what lies below is equally hopeless."""
    if tar is None:
        return {"text": "", "tint": None}
    return {"text": percent(tar, 1), "tint": round(100 * max(tar - 0.5, 0) / 0.5)}


def _histograms(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown = [one for one in comparisons if one.get("histogram")][:_MOST_HISTOGRAMS]
    limits = occupied([one["histogram"] for one in shown])
    return [
        {"title": one["name"], "svg": histogram_plot(one, name=f"hist{index}", limits=limits)}
        for index, one in enumerate(shown)
    ]


def _slice(row: Mapping[str, Any]) -> dict[str, str]:
    def rate(kind: str) -> str:
        if row.get(kind) is None:
            return "insufficient data"
        text = percent(row[kind], 2)
        low, high = row.get(f"{kind}_low"), row.get(f"{kind}_high")
        return text if low is None else f"{text} ({percent(low, 2)} – {percent(high, 2)})"

    return {
        "label": row["label"],
        "value": row["value"],
        "fmr": rate("fmr"),
        "fnmr": rate("fnmr"),
    }
