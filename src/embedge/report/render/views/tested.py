"""What a trial tells beside its comparisons: failures, folds, searches (1:N), who errs most."""

from typing import Any

from embedge.calibration.evaluation.figures import AtThreshold
from embedge.calibration.identification import IdentificationRates, SearchPoint
from embedge.report.model import Report, Tested
from embedge.report.render.plots import zoo_plot
from embedge.report.render.words import percent, rate_text

__all__ = ["searches_view", "tested_view", "zoo_view"]

_LISTED = 8


def tested_view(report: Report) -> list[dict[str, Any]]:
    """One row per model."""
    evaluation = report.evaluation
    alone = {one.gallery: one for one in report.comparisons if one.gallery == one.probe}
    rows = []
    for one in evaluation.tested if evaluation else ():
        found = alone.get(one.side)
        at = found.at_threshold if found else None
        rows.append(
            {
                "name": str(one.side),
                "acquired": _acquired(one),
                "left_out": f"{one.acquisition.comparisons_left_out:,}" if one.acquisition else "–",
                "enrolled": _enrolled(one),
                "generalised": _generalised(one, at),
                "folds": _folds(one),
                "failures": sorted(one.acquisition.failures.items()) if one.acquisition else [],
            }
        )
    return rows


def _acquired(one: Tested) -> dict[str, str]:
    seen = one.acquisition
    if seen is None:
        return {"text": "not checked", "detail": ""}
    detail = f"{seen.failed:,} of {seen.attempted:,} pictures"
    return {"text": percent(seen.rate), "detail": detail}


def _enrolled(one: Tested) -> dict[str, str]:
    made = one.templates
    if made is None:
        return {"text": "", "detail": ""}
    return {"text": percent(made.rate), "detail": f"{made.failed:,} of {made.total:,} templates"}


def _generalised(one: Tested, at: AtThreshold | None) -> dict[str, str]:
    """At the threshold that was fixed beforehand: elsewhere nobody decided anything."""
    if one.acquisition is None or at is None:
        return {"fmr": "–", "fnmr": "–"}
    return {
        "fmr": percent(one.acquisition.generalised_fmr(at.fmr.rate), 2),
        "fnmr": percent(one.acquisition.generalised_fnmr(at.fnmr.rate), 2),
    }


def _folds(one: Tested) -> dict[str, str] | None:
    if one.accuracy is None:
        return None
    folds = one.accuracy.accuracies
    return {
        "text": percent(one.accuracy.mean, 2),
        "detail": f"standard deviation {percent(one.accuracy.sd, 2)} over {len(folds)} folds",
    }


def searches_view(report: Report) -> list[dict[str, Any]]:
    """One row per model and gallery."""
    tested = report.evaluation.tested if report.evaluation else ()
    return [
        _search(str(one.side), name, found)
        for one in tested
        for name, found in one.identification.items()
    ]


def _search(model: str, gallery: str, found: IdentificationRates) -> dict[str, Any]:
    return {
        "name": model,
        "gallery": f"{gallery}, {found.gallery:,} enrolled",
        "searches": f"{found.mated:,} mated, {found.non_mated:,} non-mated",
        "ranks": [(f"Rank {rank}", percent(share, 2)) for rank, share in found.ranks.items()],
        "points": [_point(point) for point in found.points],
    }


def _point(point: SearchPoint) -> dict[str, str]:
    title = f"FNIR at FPIR {rate_text(point.fpir_target)}"
    if point.fnir is None:
        needs = f"insufficient data: needs {point.needs:,} searches by {point.of}"
        return {"title": title, "text": "", "detail": needs}
    between = f"{percent(point.low, 2)} – {percent(point.high, 2)}"
    return {"title": title, "text": percent(point.fnir, 2), "detail": between}


def zoo_view(report: Report) -> dict[str, Any] | None:
    zoo = report.evaluation and report.evaluation.zoo
    if not zoo or not any(one.mean_genuine is not None for one in zoo.people):
        return None
    erring = [one for one in zoo.people if one.rejected + one.matched]
    share = zoo.worst_share
    return {
        "comparison": zoo.comparison,
        "line": f"{zoo.threshold:.3f} ({zoo.line})",
        "svg": zoo_plot(zoo, name="zoo"),
        "people": len(zoo.people) + zoo.others,
        "others": zoo.others,
        "erring": len(erring),
        "worst_share": None if share is None else percent(share, 0),
        "rows": [
            {
                "number": one.number,
                "rejected": f"{one.rejected:,} of {one.genuine:,}",
                "matched": f"{one.matched:,}",
            }
            for one in erring[:_LISTED]
        ],
    }
