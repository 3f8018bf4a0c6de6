"""A comparison of methods in words: a table, and who leads by how much."""

import statistics

from embedge.pipeline.compare.result import METRICS, Behind, MethodsComparison, Spread
from embedge.report.render.words import never_whole

__all__ = ["legend", "table", "verdict"]

_LEGEND = (
    "In brackets: 95 % intervals over people; ±: standard deviation over seeds; behind: in points;"
    " s/student: seconds of training, whatever else the machine did."
)
_SHAPED = {
    "map": "sh-kd trains two students; its gallery is taken through its teacher's linear map.",
    "auto": "sh-kd trains two students; its gallery is taken through a linear map where the teacher"
    " is only a graph, and must be enrolled anew where it is not.",
    "network": "sh-kd trains two students, and a new teacher, which must enrol its gallery anew.",
}


def table(result: MethodsComparison, fmr: float) -> str:
    """Methods by cross-space TAR, best first, in Markdown."""
    key = f"{fmr:g}"
    lines = [
        f"| method | cross-space TAR@FMR {key} | behind | student alone | seeds | s/student |",
        "|---|---|---|---|---|---|",
        f"| *teacher alone* | | | {_percent(result.teacher.tar[key])} | | |",
    ]
    for method, found in result.ranked(key):
        across, alone = (_mean(found.summary[metric][key]) for metric in METRICS)
        behind = _points(found.behind["cross-space"][key])
        seconds = statistics.fmean(one.train_s for one in found.runs)
        lines.append(
            f"| {method} | {across} | {behind} | {alone} | {len(found.runs)} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def legend(result: MethodsComparison) -> str:
    """How to read the table; and whose gallery that of sh-kd is."""
    shaped = [_SHAPED[result.recipe["distill"]["shape"]]] if "sh-kd" in result.methods else []
    return " ".join([_LEGEND, *shaped])


def verdict(result: MethodsComparison, fmr: float) -> str:
    """Which method wins with the teacher's gallery, and from which it is not told apart."""
    key = f"{fmr:g}"
    ranked = [(name, found.behind["cross-space"][key]) for name, found in result.ranked(key)]
    if not result.methods[ranked[0][0]].summary["cross-space"][key]:
        return "No winner: no figure of the cross-space TAR."
    (best, _), others = ranked[0], [(name, gap) for name, gap in ranked[1:] if gap]
    close = [name for name, gap in others if not gap.certain]
    clear = [f"{name} ({100 * gap.difference:.1f})" for name, gap in others if gap.certain]
    told = [f"{best} has the best cross-space TAR."]
    if close:
        told.append(f"Not told apart from it: {', '.join(close)}.")
    if clear:
        told.append(f"Behind it for certain, by points: {', '.join(clear)}.")
    if not others:
        return "One method alone has nobody to lead."
    if len(result.seeds) == 1:
        told.append("With one seed this is said of these students, not yet of their methods.")
    return " ".join(told)


def _mean(spread: Spread | None) -> str:
    """Mean ± spread over seeds, and in brackets the interval over people."""
    if spread is None:
        return "–"
    mean, low, high = 100 * spread.mean, 100 * spread.low, 100 * spread.high
    seeds = "" if spread.sd is None else f" ± {100 * spread.sd:.2f}"
    ends = " to ".join(never_whole(end, 100, 1) for end in (low, high))
    return f"{never_whole(mean, 100, 2)}{seeds} % ({ends})"


def _points(gap: Behind | None) -> str:
    if gap is None:
        return "–"
    difference, low, high = 100 * gap.difference, 100 * gap.low, 100 * gap.high
    return f"{difference:.1f} ({low:.1f} to {high:.1f})"


def _percent(value: float | None) -> str:
    return "insufficient data" if value is None else f"{never_whole(100 * value, 100, 2)} %"
