"""The dossier as one page, drawn from nothing but the dossier."""

from typing import Any

from embedge.calibration.differentials.annex import GroupAnnex, GroupRates
from embedge.calibration.evaluation.figures import Rate
from embedge.calibration.evaluation.slices import GroupRatio
from embedge.report.dossier.dossier import Dossier
from embedge.report.dossier.shapes import Bounded, ShapedVerdict
from embedge.report.papers.paper import sha256_of
from embedge.report.papers.words import rate_cell, share_text
from embedge.report.render.html import rendered
from embedge.report.render.plots import det_plot
from embedge.report.render.words import date_text, rate_text

__all__ = ["dossier_page"]

_NONE = {"text": "–", "detail": ""}


def dossier_page(found: Dossier) -> str:
    at = found.operation
    return rendered(
        "dossier.html",
        page_title=f"Dossier: {found.system.side}",
        dossier=found,
        created=date_text(found.created),
        digest=sha256_of(found),
        target=rate_text(at.threshold.fmr_target),
        cards=_cards(found),
        shaped=[_shaped(one) for one in found.shaped],
        tar=_tar(found),
        eer=_eer(found),
        det=det_plot([(0, found.comparison)], name="det") if found.comparison.det else "",
        annex=[_annex(one) for one in found.annex],
        left_out=_left_out(found),
        counts={
            "filled": len(found.checklist) - found.missing,
            "missing": found.missing,
        },
    )


def _left_out(found: Dossier) -> str:
    """Whoever set a threshold is not judged at it; who that is the bundle says by itself."""
    some = found.operation.left_out
    if some is None:
        return ""
    fnmr = rate_cell(some.fnmr)
    return (
        f"{some.people:,} people are left out because the bundle says that they set its threshold."
        f" They are rejected in {some.rejected:,} of {some.genuine:,} comparisons"
        f" (FNMR {fnmr['text']}, {fnmr['detail']}), those judged in"
        f" {found.operation.rejected:,} of {found.comparison.genuine:,}."
    )


def _cards(found: Dossier) -> list[dict[str, str]]:
    at, comparison = found.operation, found.comparison
    return [
        _card("FMR", at.fmr, f"{at.false_matches:,} of {comparison.impostor:,}"),
        _card("FNMR", at.fnmr, f"{at.rejected:,} of {comparison.genuine:,}"),
        _card(
            "Failure to acquire",
            found.faces.fta,
            f"{found.faces.acquisition.failed:,} of {found.faces.acquisition.attempted:,}",
        ),
        {
            "label": "FAR / FRR with it",
            "value": f"{share_text(at.far)} / {share_text(at.frr)}",
            "note": f"upper ends of the two-sided 95 % intervals: {share_text(at.fmr_upper)}"
            f" / {share_text(at.frr_upper)}",
        },
    ]


def _card(label: str, rate: Rate, counts: str) -> dict[str, str]:
    cell = rate_cell(rate)
    return {"label": label, "value": cell["text"], "note": f"{cell['detail']}; {counts}"}


def _tar(found: Dossier) -> list[dict[str, str]]:
    rows = []
    for point in found.comparison.tar:
        cell = {"fmr": rate_text(point.fmr), "text": "", "detail": ""}
        if point.tar is None:
            cell["detail"] = f"insufficient data: {point.shortage}"
        else:
            assert point.low is not None
            assert point.high is not None
            rate = rate_cell(Rate(point.tar, point.low, point.high))
            cell |= {"text": rate["text"], "detail": rate["detail"]}
        rows.append(cell)
    return rows


def _eer(found: Dossier) -> dict[str, str]:
    eer = found.comparison.eer
    return _NONE if eer is None else rate_cell(Rate(eer.rate, eer.low, eer.high))


def _shaped(one: ShapedVerdict) -> dict[str, Any]:
    return {
        "name": one.shape,
        "status": one.status,
        "sentence": _sentence(one),
        "source": f"{one.source}, {one.edition}",
        "verified": one.verified,
        "rows": [_bounded(bound) for bound in one.requirements],
        "uncovered": ", ".join(one.uncovered),
    }


def _sentence(one: ShapedVerdict) -> str:
    if one.status == "met":
        return f"These figures, of {one.people:,} people, lie within its bounds."
    if one.status == "not met":
        return "These figures lie outside its bounds; more people would not mend that."
    return (
        f"{one.people:,} people cannot say so: {one.more_people:,} more are needed"
        f" (at least {one.fewest_people:,} in all)."
    )


def _bounded(one: Bounded) -> dict[str, str]:
    return {
        "name": one.name,
        "bound": share_text(one.bound),
        "rate": share_text(one.rate),
        "upper": share_text(one.upper),
        "holds": "holds" if one.holds else "does not hold",
    }


def _annex(one: GroupAnnex) -> dict[str, Any]:
    names = [group.value for group in one.groups]
    rates = {(rate.one, rate.other): rate for rate in one.crossed}
    return {
        "attribute": one.attribute,
        "fewest": f"{one.fewest_people:,}",
        "groups": [_group(group) for group in one.groups],
        "names": names,
        "rows": [
            {
                "name": a,
                "cells": [_cross(rates.get((a, b)) or rates[b, a]) for b in names],
            }
            for a in names
        ],
        "worst": [
            *([one.ungrouped.words] if one.ungrouped else []),
            *(
                _worst(ratio, few=any(group.needs_people for group in one.groups))
                for ratio in one.worst
            ),
        ],
    }


def _cross(rate: Any) -> dict[str, str]:
    return _NONE if rate.fmr is None else rate_cell(rate.fmr)


def _group(group: GroupRates) -> dict[str, Any]:
    return {
        "value": group.value,
        "people": f"{group.people:,} people, {group.pictures:,} pictures",
        "small": f"too few: {group.needs_people:,} more needed" if group.needs_people else "",
        "fmr": rate_cell(group.fmr) if group.fmr else _NONE,
        "matches": f"{group.false_matches:,} of {group.impostor:,}",
        "fnmr": rate_cell(group.fnmr) if group.fnmr else _NONE,
        "rejections": f"{group.rejected:,} of {group.genuine:,}",
    }


def _worst(ratio: GroupRatio, *, few: bool) -> str:
    name = ratio.rate.upper()
    if ratio.words:
        return ratio.words
    if not ratio.worst:
        return f"{name}: fewer than two groups have it."
    if few:
        return f"{name}: too few people to say whether the groups differ."
    times = "" if ratio.ratio is None else f", {ratio.ratio:.2f} times that of {ratio.best}"
    return f"{name}: highest for {ratio.worst}{times}; chance explains the difference."
