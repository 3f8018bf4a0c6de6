"""Matplotlib figures as inline SVG that takes its colours and fonts from the page's stylesheet."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embedge.optional import require

__all__ = ["INK", "LINE", "MUTED", "SERIES", "figure", "inline_svg"]

# Stand-in colours: each one becomes a CSS variable of the page, so one drawing serves light and
# dark. They only need to be distinct and unlike anything matplotlib writes on its own.
INK, MUTED, LINE = "#fe0001", "#fe0002", "#fe0003"
SERIES = tuple(f"#fe001{digit}" for digit in range(1, 9))
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line"} | {
    colour: f"c{number}" for number, colour in enumerate(SERIES, start=1)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 11,
    "text.color": MUTED,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "path.simplify_threshold": 0.4,
}


@contextmanager
def figure(width: float, height: float, *, left: float = 58) -> Iterator[tuple[Any, Any]]:
    """A figure of `width` × `height` CSS pixels and its axes, in the style of the report.

    Margins are fixed, `left` leaves room for the labels: measuring text would double the time.
    """
    mpl = require("matplotlib", extra="export")
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        # 72 units to the inch in SVG: one unit is then one CSS pixel
        drawing = Figure(figsize=(width / 72, height / 72))
        low = 44 / height
        box = (left / width, low, 1 - (left + 14) / width, 1 - low - 10 / height)
        axes = drawing.add_axes(box)
        axes.tick_params(length=0, pad=5)
        yield drawing, axes


def inline_svg(drawing: Any, *, name: str, label: str) -> str:
    """The drawing as an `<svg>` element; `name` keeps its ids apart from other drawings'."""
    import matplotlib as mpl
    from matplotlib.backends import backend_svg

    canvas: Any = backend_svg.FigureCanvasSVG(drawing)
    buffer = io.StringIO()
    for patch in (drawing.patch, *(axes.patch for axes in drawing.axes)):
        patch.set_visible(False)
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        canvas.print_svg(buffer, metadata={"Date": None})
    return _themed(_stripped(buffer.getvalue()), name, label)


def _stripped(text: str) -> str:
    """Only the element: no prologue, no metadata, no comments, no needless digits."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d+\.\d\d)\d+", r"\1", tag[0]), text)
    return re.sub(r">\s+<", "><", text).strip()


def _themed(text: str, name: str, label: str) -> str:
    box = re.search(r'viewBox="([^"]+)"', text)
    assert box is not None, "matplotlib always writes a viewBox"
    opening = f'<svg viewBox="{box[1]}" role="img" aria-label="{_attribute(label)}">'
    text = re.sub(r"^<svg[^>]*>", lambda _: opening, text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(r" ?font-family:[^;\"]*;", "", text)
    return _own_ids(text, name)


def _own_ids(text: str, name: str) -> str:
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
