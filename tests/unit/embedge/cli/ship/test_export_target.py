"""The command tells what was made, what it gains, and what it decides by."""

import json
from pathlib import Path

import pytest
from small_face import small_bundle

from embedge.cli import main
from embedge.runtime.bundle.bundle import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path, "relu")


def test_what_was_added_is_told(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'embedge[litert]'")
    report = bundle.with_name("r.json")
    asked = ["export-target", str(bundle), "--target", "litert", "--seconds", "0.3"]
    assert main([*asked, "--report", str(report)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("fp16-litert  ")
    assert "cosine to fp32 on 64 faces" in said
    assert json.loads(report.read_text())["verdict"]["passed"]
    with Bundle.open(bundle) as opened:
        assert set(opened.artifacts) == {"fp32", "fp16-litert"}


def test_int8_asks_for_faces(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bundle / "manifest.json").read_bytes()
    asked = ["export-target", str(bundle), "--target", "litert", "--precision", "int8"]
    assert main(asked) == 2
    assert "E-TARGET-FACES" in capsys.readouterr().err
    assert (bundle / "manifest.json").read_bytes() == before
