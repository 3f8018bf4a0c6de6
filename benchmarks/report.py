"""Report generation: seconds and megabytes, for an ordinary report and for a very large one.

    python benchmarks/report.py [REPORT.json …]

Each report is drawn by `embedge report render` in a fresh process, so imports count. The large
one has 24 comparisons, 40 pairs of pictures and five runs of 20,000 logged steps.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

from embedge.report.model import Curve, Pair, Report, Training
from embedge.report.read import read_report
from embedge.typed import plain

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from sample_report import sample_report

BOUNDS = {"seconds": 3.0, "megabytes": 2.0}
_ROUNDS = 5


def main(given: list[Path]) -> None:
    reports = {"ordinary": sample_report(), "large": _large(sample_report())}
    reports |= {path.parent.name: read_report(path) for path in given}
    rows = {name: _measured(report) for name, report in reports.items()}
    held = {
        name: all(row[key] <= bound for key, bound in BOUNDS.items()) for name, row in rows.items()
    }
    result = {"rows": rows, "bounds": BOUNDS, "held": held}
    packages = ("matplotlib", "jinja2", "pydantic")
    write_result("report", {"provenance": provenance(*packages), **result})
    print(json.dumps({"rows": rows, "held": held}, indent=2))


def _measured(report: Report) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "report.json"
        source.write_text(json.dumps(plain(report)))
        before = _processor_seconds()
        seconds = [_render(source, Path(name) / "out") for _ in range(_ROUNDS)]
        spent = (_processor_seconds() - before) / _ROUNDS
        page = (Path(name) / "out" / "report.html").stat().st_size
        return {
            "seconds": round(statistics.median(seconds), 3),
            "slowest_s": round(max(seconds), 3),
            "processor_s": round(spent, 3),
            "megabytes": round(page / 1e6, 3),
            "json_megabytes": round(source.stat().st_size / 1e6, 3),
        }


def _render(source: Path, out: Path) -> float:
    command = [sys.executable, "-m", "embedge", "report", "render", str(source), "--out", str(out)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _processor_seconds() -> float:
    """Of all finished children: what a busy machine cannot stretch."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _large(report: Report) -> Report:
    """Several times everything, with names of its own."""
    evaluation, worst = report.evaluation, report.worst
    assert evaluation is not None
    assert worst is not None
    more = [
        replace(one, probe=replace(one.probe, model=f"{one.probe.model} {number}"))
        for number, one in zip(range(24 - len(report.comparisons)), cycle(report.comparisons))
    ]
    steps = tuple(range(20_000))
    noise = np.random.default_rng(0).normal(size=(5, 3, len(steps)))
    series = ("loss", "accuracy", "rate")
    curves = tuple(
        Curve(
            f"run {number}",
            steps,
            {name: tuple(row.round(3).tolist()) for name, row in zip(series, rows)},
        )
        for number, rows in enumerate(noise)
    )
    return replace(
        report,
        evaluation=replace(evaluation, comparisons=(*evaluation.comparisons, *more)),
        worst=replace(
            worst,
            false_matches=_repeated(worst.false_matches),
            false_non_matches=_repeated(worst.false_non_matches),
        ),
        training=Training(curves),
    )


def _repeated(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    return tuple(islice(cycle(pairs), 20))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
