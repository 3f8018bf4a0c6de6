"""Report generation: seconds and megabytes, for an ordinary report and for a very large one.

    python benchmarks/report.py [REPORT.json …]

Each report is drawn by `embedge report render` in a fresh process, so imports count. The large
one has 24 comparisons, 40 pairs of pictures and five runs of 20,000 logged steps.
"""

import copy
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance, write_result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from sample_report import sample_report

BOUNDS = {"seconds": 3.0, "megabytes": 2.0}
_ROUNDS = 5


def main(given: list[Path]) -> None:
    reports = {"ordinary": sample_report(), "large": _large(sample_report())}
    reports |= {path.parent.name: json.loads(path.read_text()) for path in given}
    rows = {name: _measured(report) for name, report in reports.items()}
    held = {
        name: all(row[key] <= bound for key, bound in BOUNDS.items()) for name, row in rows.items()
    }
    result = {"rows": rows, "bounds": BOUNDS, "held": held}
    packages = ("matplotlib", "jinja2", "pydantic")
    write_result("report", {"provenance": provenance(*packages), **result})
    print(json.dumps({"rows": rows, "held": held}, indent=2))


def _measured(report: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "report.json"
        source.write_text(json.dumps(report))
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


def _large(report: dict[str, Any]) -> dict[str, Any]:
    """Several times everything, with names of its own."""
    comparisons = report["evaluation"]["comparisons"]
    for number in range(24 - len(comparisons)):
        one = copy.deepcopy(comparisons[number % 7])
        probe = f"{one['probe']} {number}"
        comparisons.append({**one, "name": f"{one['name']} {number}", "probe": probe})
    for pairs in (report["worst"]["false_matches"], report["worst"]["false_non_matches"]):
        pairs += pairs
    steps = list(range(20_000))
    noise = np.random.default_rng(0).normal(size=(5, 3, len(steps)))
    series = ("loss", "accuracy", "rate")
    report["training"]["curves"] = [
        {
            "name": f"run {number}",
            "steps": steps,
            "series": {name: row.round(3).tolist() for name, row in zip(series, rows)},
        }
        for number, rows in enumerate(noise)
    ]
    return report


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
