"""A thousand hostile inputs per parser: taken or refused by a code, in bounded time and memory."""

from pathlib import Path

import pytest
from hostile_child import found_by

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
    found = found_by("hostile.py", parser, tmp_path)
    assert sum(found["codes"].values()) == 1000
    assert set(found["codes"]) - {"taken"} <= codes
    assert found["codes"].keys() & codes
    assert found["slowest"] < seconds
    assert found["grew"] < megabytes << 20
