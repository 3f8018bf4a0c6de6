"""The sample report as a file, and one in which a gate failed."""

import json
from pathlib import Path

import pytest
from sample_report import edited, refute, sample_report

from embedge.typed import plain


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.json"
    path.write_text(json.dumps(plain(sample_report(pictures=False))))
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(plain(edited(sample_report(pictures=False), refute))))
    return path
