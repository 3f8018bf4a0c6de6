"""A CoreML package stands beside its bundle only where its program agrees with the float graph."""

from pathlib import Path

import pytest
from small_face import small_bundle, smooth_pictures

from embedge.cli import main
from embedge.errors import EmbedgeError
from embedge.pipeline.targets import beside_bundle
from embedge.pipeline.targets.beside_bundle import coreml_beside_bundle

PICTURES = smooth_pictures(4)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path)


def test_the_package_lies_beside_and_agrees(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("coremltools", reason="pip install 'embedge[coreml]'")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert main(["export-target", str(bundle), "--target", "coreml"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(str(bundle.parent / "small.fp16.mlpackage"))
    assert "not run by CoreML" in said.out
    assert said.err == ""
    assert (bundle.parent / "small.fp16.mlpackage" / "Manifest.json").is_file()
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    with pytest.raises(EmbedgeError, match="E-TARGET-EXISTS"):
        coreml_beside_bundle(bundle, "fp16", PICTURES)


@pytest.mark.parametrize("place", ["x.mlpackage", "more/x.mlpackage", "../link/x.mlpackage"])
def test_no_package_is_written_into_the_bundle(bundle: Path, place: str) -> None:
    (bundle.parent / "link").symlink_to(bundle)
    with pytest.raises(EmbedgeError, match=r"inside the bundle.*Name a place outside"):
        coreml_beside_bundle(bundle, "fp16", PICTURES, bundle / place)
    assert not (bundle / "more").exists()


def test_one_that_disagrees_is_not_written(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("coremltools", reason="pip install 'embedge[coreml]'")
    real = beside_bundle.coreml_answers
    monkeypatch.setattr(beside_bundle, "coreml_answers", lambda *given: -real(*given))
    with pytest.raises(EmbedgeError, match="E-TARGET-PARITY"):
        coreml_beside_bundle(bundle, "fp32", PICTURES)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["s.onnx", "small.embedge"]


def test_int8_is_refused(bundle: Path) -> None:
    with pytest.raises(EmbedgeError, match="E-TARGET-PRECISION"):
        coreml_beside_bundle(bundle, "int8", PICTURES)


@pytest.mark.parametrize(
    ("target", "option"), [("coreml", "--report"), ("ncnn", "--to")], ids=["report", "to"]
)
def test_options_of_the_other_kind_are_refused(
    bundle: Path, target: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["export-target", str(bundle), "--target", target, option, str(bundle.parent / "x")]
    assert main(asked) == 2
    assert f"E-OPTION: {option}" in capsys.readouterr().err
