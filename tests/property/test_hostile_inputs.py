"""A thousand hostile inputs per parser: taken or refused by a code, in bounded time and memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from import_path import import_path

SUPPORT = Path(__file__).parents[1] / "support"
BOUNDS = {  # seconds for the slowest input, megabytes for the growth of the process, codes
    "pictures": (8, 450, {"E-IMAGE", "E-IMAGE-SIZE"}),
    "detections": (2, 200, {"E-DETECTOR", "E-NO-FACE"}),
    "manifests": (2, 100, {"E-BUNDLE", "E-CONTRACT"}),
    "bundles": (4, 100, {"E-BUNDLE"}),
    "models": (2, 50, {"E-GRAPH"}),
}


@pytest.mark.parametrize("parser", BOUNDS)
def test_a_thousand_of_them(parser: str, tmp_path: Path) -> None:
    seconds, megabytes, codes = BOUNDS[parser]
    done = subprocess.run(
        [sys.executable, SUPPORT / "hostile.py", parser, tmp_path],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": import_path(SUPPORT), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    print(parser, found)
    assert sum(found["codes"].values()) == 1000
    assert set(found["codes"]) - {"taken"} <= codes
    assert found["codes"].keys() & codes
    assert found["slowest"] < seconds
    assert found["grew"] < megabytes << 20
