"""The demo as a newcomer runs it: minutes, peak memory, and what its report says.

    python benchmarks/demo.py [--keep FOLDER]

Clones the repository, lets `make` install it, then runs `make demo` twice: the second call must
only reuse. The run's bundle can be kept: the README's picture is of the measured one.
"""

import argparse
import json
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from provenance import provenance, write_result

from embedge.report.read import read_report
from embedge.typed import plain

REPOSITORY = Path(__file__).parents[1]
BOUNDS = {"seconds": 600.0, "second_call_s": 20.0, "peak_gb": 3.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="copy the bundle and its run there")
    keep = parser.parse_args().keep
    facts = provenance("torch", "onnxruntime")  # what is cloned now, before minutes go by
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "embedge"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        installing = _timed(clone, ".venv/.installed")
        first, second = _timed(clone, "demo"), _timed(clone, "demo")
        out = clone / "runs" / "demo"
        report = read_report(out / "demo.embedge" / "report.json")
        if keep:
            shutil.copytree(out, keep)
        stages = {path.parent.name: _seconds(path) for path in out.glob("stages/*/stage.json")}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    measured = {"seconds": first, "second_call_s": second, "peak_gb": round(peak, 2)}
    result = {
        "measured": measured,
        "bounds": BOUNDS,
        "held": {key: measured[key] <= bound for key, bound in BOUNDS.items()},
        "install_s": installing,
        "stages_s": dict(sorted(stages.items(), key=lambda item: -item[1])),
        "gates": plain(report.verdict.gates),
        "tar": {one.name: plain(one.tar) for one in report.comparisons},
    }
    write_result("demo", {"provenance": facts, **result})
    print(json.dumps(measured, indent=2))


def _timed(clone: Path, target: str) -> float:
    began = time.perf_counter()
    subprocess.run(["make", target], cwd=clone, check=True)
    return round(time.perf_counter() - began, 1)


def _seconds(stage: Path) -> float:
    facts: dict[str, Any] = json.loads(stage.read_text())
    return float(facts["seconds"])


if __name__ == "__main__":
    main()
