import json
from pathlib import Path

import pytest

from embedge.cli import main


def test_a_non_match_is_1_only_when_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["verify", "tiny.embedge", "0.png", "2.png"]
    assert main(pair) == 0
    assert capsys.readouterr().out.startswith("NO MATCH\n")
    assert main([*pair, "--exit-status"]) == 1
    assert main(["verify", "tiny.embedge", "0.png", "0.png", "--exit-status"]) == 0


def test_text_and_json_tell_one_decision(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["verify", "tiny.embedge", "0.png", "0.png"]
    assert main([*pair, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["match"] is True
    assert main(pair) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "MATCH"
    assert lines[1].split() == ["cosine", f"{found['cosine']:.4f}"]
    assert "0.3000 (accept strictly above)" in lines[2]
    assert "100,000 impostor pairs of 450 subjects (a test set)" in lines[4]
    assert lines[5].split() == ["ran", "fp32", "on", "CPUExecutionProvider"]
