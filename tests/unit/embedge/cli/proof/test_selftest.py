"""What the command prints; how it ends stands in tests/integration/test_selftest_guide.py."""

import json
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle, tiny_contract, tiny_onnx

from embedge.cli import main
from embedge.pipeline.golden_file import golden_file
from embedge.runtime.selftest.golden import GOLDEN


@pytest.fixture
def sick(tmp_path: Path) -> Path:
    """The golden vectors of another network."""
    graph = tmp_path / "other.onnx"
    graph.write_bytes(tiny_onnx(tiny_contract(64), seed=5))
    golden = golden_file({"fp32": graph, "raw": graph}, tiny_contract(64))
    return tiny_bundle(tmp_path / "tiny.embedge", files={GOLDEN: golden})


def test_each_artifact_has_its_line_and_each_fault(
    sick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["selftest", str(sick)]) == 3
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.split()[:2] for line in lines[::2]] == [["FAIL", "fp32"], ["FAIL", "raw"]]
    assert all(line.startswith("      stale-weights: ") for line in lines[1::2])
    assert "2 of 2 artifacts" in said.err


def test_json_tells_the_same(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", str(sick), "--artifact", "raw", "--json"]) == 3
    (one,) = json.loads(capsys.readouterr().out)["artifacts"]
    assert one["artifact"] == "raw"
    assert [finding["fault"] for finding in one["findings"]] == ["stale-weights"]
    assert one["cosine"] < one["nearest"]
