"""The drawings of a report: DET curves, score histograms, training curves."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Comparison, DetCurve, Histogram, Line
from embedge.calibration.people.zoo import Zoo
from embedge.report.render.svg import INK, SERIES, figure, inline_svg

__all__ = ["det_plot", "histogram_plot", "occupied", "series_plot", "zoo_plot"]

_WIDTH, _HEIGHT = 470, 320
_MOST_POINTS = 240
_MOST_STEPS = 600
_NUMBERED = 8
# Colour alone is lost in print and on many eyes: every series has a dash of its own.
_DASHES = ("solid", (0, (6, 2)), (0, (2, 1.6)), (0, (7, 2, 1.5, 2)), (0, (4, 1.5)), (0, (1, 1)))


def _series_style(index: int) -> dict[str, Any]:
    """Colour and dash of the index-th series, the same in drawings and legends."""
    return {"color": SERIES[index % len(SERIES)], "linestyle": _DASHES[index % len(_DASHES)]}


def det_plot(drawn: Sequence[tuple[int, Comparison]], *, name: str, bands: bool = True) -> str:
    """FNMR over FMR, both logarithmic; each comparison comes with the number of its style."""
    floor = _Floor(
        _smallest([one.impostor for _, one in drawn]), _smallest([one.genuine for _, one in drawn])
    )
    with figure(_WIDTH, _HEIGHT) as (drawing, axes):
        for index, one in drawn:
            if one.det:
                _det_curve(axes, one.det, floor, _series_style(index), bands=bands)
        axes.set(xscale="log", yscale="log", xlabel="false match rate", ylabel="false non-match")
        axes.set_xlim(floor.fmr, 1)
        axes.set_ylim(floor.fnmr, 1)
        _percent_ticks(axes)
        names = ", ".join(one.name for _, one in drawn)
        return inline_svg(drawing, name=name, label=f"DET curves of {names}")


class _Floor(NamedTuple):
    """Below it there is nothing to see."""

    fmr: float
    fnmr: float


def _det_curve(
    axes: Any, det: DetCurve, floor: _Floor, style: dict[str, Any], *, bands: bool
) -> None:
    fmr = np.maximum(np.asarray(det.fmr, float), floor.fmr)
    order = _thinned(np.argsort(fmr, kind="stable"))
    x = fmr[order]

    def rates(values: Sequence[float]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.asarray(values, float)[order]
        return np.maximum(found, floor.fnmr / 2)

    fnmr = rates(det.fnmr)
    if bands:
        low, high = rates(det.low), rates(det.high)
        seen = fnmr >= floor.fnmr  # without an error the band is only the rule of three
        axes.fill_between(x, low, high, where=seen, color=style["color"], alpha=0.13, linewidth=0)
    axes.plot(x, fnmr, **style)


def _smallest(pairs: Sequence[int]) -> float:
    """One error among the most pairs anybody had."""
    return 1 / max(10, *pairs)


def _thinned(order: NDArray[np.intp], most: int = _MOST_POINTS) -> NDArray[np.intp]:
    """Evenly fewer of them, the first and the last included."""
    if len(order) <= most:
        return order
    kept: NDArray[np.intp] = order[np.unique(np.linspace(0, len(order) - 1, most).astype(int))]
    return kept


def _percent_ticks(axes: Any) -> None:
    """1 %, 0.1 %, 0.01 %…: what people say, not powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(base=10, numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.12g} %"))


def histogram_plot(comparison: Comparison, *, name: str, limits: tuple[float, float]) -> str:
    """Genuine and impostor cosines as shares of their own kind, and the threshold between."""
    histogram = comparison.histogram
    edges = np.asarray(histogram.edges, float)
    with figure(_WIDTH, _HEIGHT * 0.72, left=14) as (drawing, axes):
        for kind, index in ((histogram.impostor, 1), (histogram.genuine, 0)):
            counts = np.asarray(kind, float)
            share = counts / max(counts.sum(), 1)
            axes.stairs(share, edges, fill=True, color=SERIES[index], alpha=0.28, linewidth=0)
            axes.stairs(share, edges, color=SERIES[index], linewidth=1.4)
        if comparison.line is not None:
            _threshold_line(axes, comparison.line, limits)
        axes.set_xlim(*limits)
        axes.set_ylim(0, 1.2 * axes.get_ylim()[1])  # room for the threshold's label
        axes.set(xlabel="cosine")
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        label = f"Score histogram of {comparison.name}"
        return inline_svg(drawing, name=name, label=label)


def _threshold_line(axes: Any, line: Line, limits: tuple[float, float]) -> None:
    """Named on the side where there is room for a name."""
    axes.axvline(line.value, color=INK, linewidth=1.3, linestyle=(0, (3, 2)))
    right = line.value < sum(limits) / 2
    axes.annotate(
        f"{line.value:.3f}: {_SHORT.get(line.words, line.words)}",
        (line.value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(5 if right else -5, -2),
        textcoords="offset points",
        va="top",
        ha="left" if right else "right",
        color=INK,
        fontsize=11,
    )


_SHORT = {"the threshold that was set beforehand": "threshold"}


def zoo_plot(zoo: Zoo, *, name: str) -> str:
    """Every person by the mean of their genuine cosines and their highest impostor cosine."""
    seen = [one for one in zoo.people if one.mean_genuine is not None]
    floor = min((one.highest_impostor for one in seen if one.highest_impostor), default=0.0)
    with figure(_WIDTH, _HEIGHT) as (drawing, axes):
        for erring, index in ((False, 6), (True, 1)):
            some = [one for one in seen if bool(one.rejected + one.matched) == erring]
            axes.scatter(
                [one.mean_genuine for one in some],
                [one.highest_impostor or floor for one in some],
                s=34 if erring else 16,
                color=SERIES[index],
                alpha=0.8,
                linewidths=0,
            )
        axes.axhline(zoo.threshold, color=INK, linewidth=1.1, linestyle=(0, (3, 2)))
        axes.axvline(zoo.threshold, color=INK, linewidth=1.1, linestyle=(0, (3, 2)))
        for one in seen[:_NUMBERED]:
            if one.rejected + one.matched:
                place = (one.mean_genuine, one.highest_impostor or floor)
                told = {"xytext": (5, 3), "textcoords": "offset points"}
                axes.annotate(f"{one.number}", place, color=INK, fontsize=10, **told)
        axes.set(xlabel="mean cosine with themselves", ylabel="highest with others")
        return inline_svg(drawing, name=name, label=f"Errors by person of {zoo.comparison}")


def occupied(histograms: Sequence[Histogram]) -> tuple[float, float]:
    """The part of the axis where any of them has scores: one scale, so that they compare."""
    ends = []
    for histogram in histograms:
        filled = np.flatnonzero(np.add(histogram.genuine, histogram.impostor))
        if len(filled):
            ends += [histogram.edges[filled[0]], histogram.edges[filled[-1] + 1]]
    if not ends:
        return -1.0, 1.0
    air = 0.03 * (max(ends) - min(ends))
    return float(min(ends) - air), float(max(ends) + air)


def series_plot(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float | None]]],
    *,
    styles: Sequence[int] | None = None,
    name: str,
    x: str,
    y: str,
    log_x: bool = False,
    from_zero: bool = False,
) -> str:
    """Several lines over one axis; gaps stay gaps. `styles` keeps a line's look across drawings."""
    with figure(_WIDTH, _HEIGHT * 0.8) as (drawing, axes):
        for index, (steps, values) in zip(styles or range(len(lines)), lines.values()):
            kept = _thinned(np.arange(len(values)), _MOST_STEPS)
            points = np.array([np.nan if value is None else value for value in values], float)
            points, at = points[kept], np.asarray(steps)[kept]
            marker = "o" if len(points) <= 12 else None
            axes.plot(at, points, marker=marker, markersize=4.5, **_series_style(index))
        axes.set(xlabel=x, ylabel=y)
        if log_x:
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({step for steps, _ in lines.values() for step in steps}))
            axes.xaxis.set_major_formatter("{x:g}")
        if from_zero:
            axes.set_ylim(bottom=0)
        return inline_svg(drawing, name=name, label=f"{y} over {x}: {', '.join(lines)}")
