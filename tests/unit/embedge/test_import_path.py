"""Children of the suite try the product that the suite tries, also from a checkout beside it."""

import os
import re
from pathlib import Path

import pytest
from import_path import import_path

TESTS = Path(__file__).resolve().parents[2]
APART = {"test_runtime_distribution.py"}  # its children are to find the wheel, and nothing else


def test_the_callers_path_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", "theirs")
    assert import_path(tmp_path) == f"{tmp_path}{os.pathsep}theirs"
    monkeypatch.delenv("PYTHONPATH")
    assert import_path(tmp_path) == str(tmp_path)  # an empty part would be the current folder


def test_no_child_is_given_another_product() -> None:
    given = re.compile(r"[\"']?PYTHONPATH[\"']?[:=] *(?!import_path\()\S.*")
    wrong = [
        f"{path.name}: {found[0]}"
        for path in TESTS.rglob("*.py")
        if path.name not in APART and path != Path(__file__)
        for found in given.finditer(path.read_text())
    ]
    assert wrong == []
