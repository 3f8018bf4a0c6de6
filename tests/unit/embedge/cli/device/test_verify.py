import json
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle, tiny_threshold

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
    assert "10,000,000 impostor pairs of 4,500 subjects (a test set)" in lines[4]
    assert "it holds for pictures like those" in lines[4]
    assert lines[5].split() == ["ran", "fp32", "on", "CPUExecutionProvider"]


def test_a_rate_or_a_number_of_ones_own(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loose = {**tiny_threshold(0.1).to_json(), "fmr_target": 1e-2, "fmr_upper": 9e-3}
    tiny_bundle(Path("two.embedge"), extras={"thresholds": {"fp32": [loose]}})
    pair = ["verify", "two.embedge", "0.png", "0.png"]
    assert main([*pair, "--fmr", "0.01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"]["value"] == 0.1
    assert main([*pair, "--fmr", "1e-3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["threshold"]["value"] == 0.3
    assert main([*pair, "--fmr", "1e-6"]) == 2
    said = capsys.readouterr().err
    assert "E-OPERATING-POINT: no threshold of this artifact is proven" in said
    assert "its strictest is proven for 9.5e-05" in said
    assert main([*pair, "--threshold", "0.99"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "MATCH"
    assert lines[3] == (
        "  evidence   your own number: no evidence, its false match rate is unknown"
    )


def test_a_policy_refuses_what_is_looser_or_proven_by_nobody(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loose = {**tiny_threshold(0.1).to_json(), "fmr_target": 1e-2, "fmr_upper": 9e-3}
    tiny_bundle(Path("two.embedge"), extras={"thresholds": {"fp32": [loose]}})
    pair = ["verify", "two.embedge", "0.png", "0.png", "--policy", "nist-800-63b"]
    assert main(pair) == 0
    for more in (("--fmr", "0.01"), ("--threshold", "0.9")):
        assert main([*pair, *more]) == 2
        said = capsys.readouterr().err
        assert "E-OPERATING-POINT: the threshold is proven for" in said
        assert ("Leave --threshold out" in said) is (more[0] == "--threshold")


def test_a_folder_is_no_picture(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("album").mkdir()
    assert main(["verify", "tiny.embedge", "0.png", "album"]) == 2
    assert "E-IMAGE-MISSING: a folder is given for a picture" in capsys.readouterr().err


def test_an_artifact_without_a_threshold_says_what_one_can_do(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ["verify", "tiny.embedge", "0.png", "0.png", "--artifact", "raw"]
    assert main(pair) == 2
    assert "--threshold" in capsys.readouterr().err
    assert main([*pair, "--threshold", "0.5"]) == 0
