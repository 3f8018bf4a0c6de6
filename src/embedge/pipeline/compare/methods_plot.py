"""One drawing of a comparison of methods: seeds are dots, means have intervals over people."""

from pathlib import Path
from typing import Any

from embedge.files import whole_file
from embedge.pipeline.compare.result import MethodFigures, MethodsComparison, Metric

__all__ = ["methods_plot"]

_INCH_A_METHOD = 0.42
# a file of its own, on white or near it: real colours, apart for colour-blind eyes too
_INK, _COLOURS = "#444444", ("#0072b2", "#d55e00")


def methods_plot(result: MethodsComparison, fmr: float, path: Path) -> None:
    """Write an SVG: TAR at `fmr`, cross-space and alone, methods from best to worst."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    key = f"{fmr:g}"
    methods = sorted(result.methods.items(), key=lambda item: item[1].worth(key))
    drawing = Figure(figsize=(7.2, 1.2 + _INCH_A_METHOD * len(methods)), layout="constrained")
    FigureCanvasSVG(drawing)
    axes = drawing.add_subplot()
    found = [figures for _, figures in methods]
    label = "teacher's gallery, student's probe"
    _dots(axes, found, "cross-space", key, 0.14, _COLOURS[0], label)
    _dots(axes, found, "student", key, -0.14, _COLOURS[1], "student alone")
    teacher = result.teacher.tar[key]
    if teacher is not None:
        axes.axvline(100 * teacher, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
        above = axes.get_xaxis_transform()
        axes.text(100 * teacher, 1.01, "teacher alone", ha="center", fontsize=8, transform=above)
    axes.set_yticks(range(len(methods)), [name for name, _ in methods])
    axes.set_xlabel(f"TAR at FMR {key}, %")
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    drawing.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    # a fixed salt: the same figures give the same file
    with mpl.rc_context({"svg.hashsalt": "embedge"}), whole_file(path) as part:
        drawing.savefig(part, format="svg", metadata={"Date": None})


def _dots(
    axes: Any,
    methods: list[MethodFigures],
    metric: Metric,
    key: str,
    offset: float,
    colour: str,
    label: str,
) -> None:
    for place, found in enumerate(methods):
        spread = found.summary[metric][key]
        if spread is None:
            continue
        values = [100 * (one.tar(metric, key) or 0.0) for one in found.runs]
        heights = [place + offset] * len(values)
        axes.scatter(values, heights, s=14, color=colour, alpha=0.75, label=label)
        mean, low, high = (100 * one for one in (spread.mean, spread.low, spread.high))
        axes.plot([low, high], [place + offset] * 2, color=colour, linewidth=1, alpha=0.6)
        axes.plot([mean, mean], [place + offset - 0.11, place + offset + 0.11], color=colour)
        label = "_nolegend_"
