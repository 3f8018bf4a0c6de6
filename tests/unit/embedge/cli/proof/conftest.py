"""The sample report as a file, and one in which a gate failed."""

import json
from pathlib import Path
from typing import Any

import pytest
from sample_report import edited, sample_report

from embedge.typed import plain


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_text(json.dumps(plain(sample_report(pictures=False))))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    def spoil(value: Any) -> None:
        gates = {gate["name"]: gate for gate in value["verdict"]["gates"]}
        gate = gates["thresholds hold"]  # of a comparison that the report does not hold
        gate.update(value=5.0, passed=False, worst=None)
        value["verdict"]["passed"] = False

    path = tmp_path / "bad.json"
    path.write_text(json.dumps(plain(edited(sample_report(pictures=False), spoil))))
    return path
