"""What the command prints; how it ends stands in tests/integration/test_selftest_guide.py."""

import json
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle, tiny_contract, tiny_onnx
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.cli import main
from embedge.pipeline.additions.detector_in_bundle import detector_into_bundle
from embedge.pipeline.golden_file import golden_file
from embedge.runtime.bundle.bundle import Artifact
from embedge.runtime.bundle.writer import write_bundle
from embedge.runtime.encoders import bundled
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


def test_a_detector_is_said_to_be_no_part_of_it(
    sick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "d.onnx").write_bytes(constant_onnx(scrfd_outputs([])))
    detector_into_bundle(sick, tmp_path / "d.onnx", size=128)
    main(["selftest", str(sick)])
    assert capsys.readouterr().out.splitlines()[-1].startswith("not asked: the detector;")


def test_json_tells_the_same(sick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", str(sick), "--artifact", "raw", "--json"]) == 3
    (one,) = json.loads(capsys.readouterr().out)["artifacts"]
    assert one["artifact"] == "raw"
    assert [finding["fault"] for finding in one["findings"]] == ["stale-weights"]
    assert one["cosine"] < one["nearest"]


def test_artifacts_for_a_runtime_are_asked_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    contract = tiny_contract(64)
    graph, other = tmp_path / "a.onnx", tmp_path / "b.onnx"
    graph.write_bytes(tiny_onnx(contract))
    other.write_bytes(tiny_onnx(contract, seed=5))
    named = {"fp32": graph, "int8-openvino": other}
    folder = write_bundle(
        tmp_path / "two.embedge",
        name="two",
        contract=contract,
        artifacts=[
            Artifact("fp32", "a.onnx", "fp32", 17, None),
            Artifact("int8-openvino", "b.onnx", "int8", 17, None, "openvino"),
        ],
        files={
            **{path.name: path for path in named.values()},
            GOLDEN: golden_file(named, contract),
        },
        provenance={},
        default_artifact="fp32",
    )

    def providers(*more: str) -> list[str]:
        assert main(["selftest", str(folder), "--json", *more]) == 0
        told = json.loads(capsys.readouterr().out)["artifacts"]
        return [one["provider"] for one in told]

    assert providers() == ["CPUExecutionProvider", "OpenVINO CPU"]
    assert providers("--runtime", "openvino") == ["OpenVINO CPU"] * 2
    assert providers("--runtime", "onnxruntime") == ["CPUExecutionProvider"] * 2
    assert main(["selftest", str(folder), "--runtime", "ncnn"]) == 2
    capsys.readouterr()
    monkeypatch.setattr(bundled, "importable", lambda runtime: runtime == "onnxruntime")
    assert main(["selftest", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.err == "not asked: int8-openvino, openvino is not installed\n"
    assert len(said.out.splitlines()) == 1
