from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from embedge.cli import main
from embedge.cli.ship.bundle import _what_helps
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Gate


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["bundle", *arguments]) == 2
    return capsys.readouterr().err


def test_a_network_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told([str(tmp_path / "none.onnx"), "--faces", str(tmp_path)], capsys)
    assert said.startswith("embedge: E-")
    assert "none.onnx" in said


def test_a_bundle_that_is_there_is_replaced_only_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tiny_bundle(tmp_path / "tiny.embedge")
    manifest = (there / "manifest.json").read_bytes()
    asked = [str(tmp_path / "none.onnx"), "--faces", str(tmp_path / "f"), "--out", str(there)]
    assert "E-BUNDLE-EXISTS" in (said := told(asked, capsys))
    assert "--update" in said
    assert "E-BUNDLE-EXISTS" not in told([*asked, "--update"], capsys)
    assert "E-BUNDLE-EXISTS" not in told([*asked[:-1], str(tmp_path / "new")], capsys)
    assert (there / "manifest.json").read_bytes() == manifest


def test_a_bundle_does_not_take_the_place_of_its_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "a.onnx"
    model.write_bytes(b"x")
    said = told([str(model), "--faces", str(tmp_path), "--out", str(model)], capsys)
    assert "E-OVERWRITE" in said
    assert model.read_bytes() == b"x"


def test_more_faces_are_no_remedy_for_a_graph_that_is_too_far_away() -> None:
    far = Gate.of(Measurand("cosine-p1", "int8-trt"), "int8-trt parity", "", 0.9, 0.95, "min")
    eer = Gate.of(Measurand("eer"), "equal error rate", "", 0.2, 0.05, "max")
    assert "faces" not in _what_helps([far])
    assert "faces" in _what_helps([far, eer])
