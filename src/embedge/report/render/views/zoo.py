"""Who matches or fails most, by numbers that name nobody."""

from typing import Any

from embedge.report.model import Report
from embedge.report.render.plots import zoo_plot
from embedge.report.render.words import percent

__all__ = ["zoo_view"]

_LISTED = 8


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
