"""The drawing of a comparison: same figures, same file; what has none is left out."""

import json
from dataclasses import replace
from pathlib import Path

from embedge.pipeline.compare.methods_plot import methods_plot
from embedge.pipeline.compare.result import METRICS, MethodsComparison

STORED = Path(__file__).parents[5] / "benchmarks" / "results" / "methods-rendered.json"
FMR, KEY = 1e-3, "0.001"


def test_the_plot_leaves_out_what_has_no_figure(tmp_path: Path) -> None:
    found = MethodsComparison.from_json(json.loads(STORED.read_text()))
    kd = replace(found.methods["kd"], summary={metric: {KEY: None} for metric in METRICS})
    bare = replace(found, methods={**found.methods, "kd": kd})
    for name, result in (("plot", bare), ("again", bare), ("whole", found)):
        methods_plot(result, FMR, tmp_path / f"{name}.svg")
    drawn, again, whole = (
        (tmp_path / f"{name}.svg").read_text() for name in ("plot", "again", "whole")
    )
    assert drawn == again
    assert drawn.count("<svg") == 1
    assert "<!-- kd -->" in drawn
    assert whole.count("<use") - drawn.count("<use") == 2 * len(found.seeds)
