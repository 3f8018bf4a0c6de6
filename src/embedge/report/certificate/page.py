"""The certificate as one page, drawn from nothing but the certificate."""

from typing import Any

from embedge.calibration.compatibility.figures import ArtifactCompatibility, Replacement, System
from embedge.report.certificate.certificate import Certificate, replacement_of
from embedge.report.papers.paper import sha256_of
from embedge.report.papers.words import between, points, rate_cell, share_text, verdict_words
from embedge.report.render.html import rendered
from embedge.report.render.plots import series_plot
from embedge.report.render.words import date_text, one_in, rate_text, value_text

__all__ = ["certificate_page"]


def certificate_page(found: Certificate) -> str:
    verdict = verdict_words(found.verdict, shown="Shown", missed="Not shown")
    return rendered(
        "certificate.html",
        page_title=f"{verdict['word']}: {_what(found)} without re-enrolment",
        certificate=found,
        created=date_text(found.created),
        digest=sha256_of(found),
        verdict=verdict,
        what=_what(found),
        claim=_claim(found),
        worst=_worst(found),
        fmr=rate_text(found.claim.fmr),
        one_in=one_in(found.claim.fmr),
        failures=share_text(found.faces.acquisition.rate),
        matrix=_matrix(found),
        criteria=[_criterion(found, one) for one in found.artifacts],
        flips=[_flips(one) for one in found.artifacts],
        curves=_curves(found),
        backfill=[_backfill(one) for one in found.artifacts],
    )


def _what(found: Certificate) -> str:
    """Nothing is claimed of an artifact that was not looked at."""
    if not found.parties.left_out:
        return found.parties.bundle
    return " and ".join(str(one.side) for one in found.artifacts)


def _claim(found: Certificate) -> str:
    against = {
        "asymmetric": "enrolling everybody again with the new model",
        "backward": "keeping the old model on both sides",
    }[found.claim.criterion]
    margin = value_text(100 * found.claim.margin, "points")
    return (
        f"People enrolled by {found.parties.old} may be compared by {_what(found)} without"
        f" enrolling again, and lose at most {margin} of TAR against {against}."
    )


def _worst(found: Certificate) -> str:
    """The artifact with which most people are worse off than with the old model."""
    one = max(found.artifacts, key=lambda artifact: artifact.backward.flips.people_losing)
    flips = one.backward.flips
    return (
        f"With {one.side}, {flips.people_losing:,} of {flips.people:,} people lose a comparison"
        f" that {found.parties.old} accepts; one person loses {flips.most_of_one_person:,}."
    )


def _matrix(found: Certificate) -> list[dict[str, Any]]:
    rows = [_cell("old gallery, old probe (the paragon)", found.paragon)]
    for one in found.artifacts:
        rows += [
            _cell("old gallery, new probe (the cross-test)", one.cross),
            _cell("new gallery, old probe", one.reverse),
            _cell("new gallery, new probe", one.alone),
        ]
    return rows


def _cell(role: str, system: System) -> dict[str, Any]:
    return {
        "role": role,
        "name": str(system.key),
        "tar": rate_cell(system.tar),
        "errors": f"{system.genuine - system.accepted:,} of {system.genuine:,} rejected",
        "fmr": rate_cell(system.fmr),
        "matches": f"{system.false_matches:,} of {system.impostor:,}",
        "few": system.false_matches < 30 or system.genuine - system.accepted < 30,
        "threshold": f"{system.threshold.value:.4f}",
    }


def _criterion(found: Certificate, one: ArtifactCompatibility) -> dict[str, Any]:
    chosen = replacement_of(found.claim, one)
    gain = "no way to go" if one.update_gain is None else f"{one.update_gain:.3f}"
    return {
        "name": str(one.side),
        "precision": one.precision if one.precision != one.side.artifact else "",
        "told": [
            {
                "name": f"{told.criterion}: instead of {told.replaced}",
                "chosen": told is chosen,
                "value": points(told.difference.value),
                "between": between(told.difference),
                "above": "above" if told.above else "not above",
            }
            for told in (one.asymmetric, one.backward)
        ],
        "gap": points(one.paragon_gap.value),
        "gap_between": between(one.paragon_gap),
        "gain": gain,
    }


def _flips(one: ArtifactCompatibility) -> dict[str, Any]:
    return {
        "name": str(one.side),
        "told": [_flip(told) for told in (one.asymmetric, one.backward)],
    }


def _flip(told: Replacement) -> dict[str, Any]:
    flips, last = told.flips, len(told.flips.people_by_losses) - 1
    return {
        "replaced": str(told.replaced),
        "negative": rate_cell(flips.negative_rate),
        "negatives": f"{flips.negative:,} of {flips.comparisons:,}",
        "positive": f"{flips.positive:,}",
        "losing": rate_cell(flips.losing),
        "people": f"{flips.people_losing:,} of {flips.people:,} people",
        "most": f"{flips.most_of_one_person:,}",
        "spread": ", ".join(
            f"{count:,} lose {losses}{' or more' if losses == last else ''}"
            for losses, count in enumerate(flips.people_by_losses)
            if count
        ),
    }


def _curves(found: Certificate) -> list[dict[str, str]]:
    shares = {
        str(one.side): [100 * point.share for point in one.backfill] for one in found.artifacts
    }
    drawn = []
    for title, field in (("accepted at the threshold", "tar"), ("found first (1:N)", "rank1")):
        lines = {
            str(one.side): (
                shares[str(one.side)],
                [100 * getattr(point, field).rate for point in one.backfill],
            )
            for one in found.artifacts
        }
        svg = series_plot(lines, name=f"backfill{field}", x="people enrolled again (%)", y="%")
        drawn.append({"title": title, "svg": svg})
    return drawn


def _backfill(one: ArtifactCompatibility) -> dict[str, Any]:
    return {
        "name": str(one.side),
        "points": [
            {
                "share": f"{100 * point.share:g} %",
                "people": f"{point.people:,}",
                "tar": rate_cell(point.tar),
                "rank1": rate_cell(point.rank1),
                "fmr": share_text(point.fmr),
            }
            for point in one.backfill
        ],
    }
