"""What the command prints, from typed figures and plans."""

import argparse
from pathlib import Path

import pytest
from PIL import Image

from embedge.calibration.evaluation.figures import Cosines
from embedge.cli import main
from embedge.cli.ship.quantize import _plan_text, _text, configure
from embedge.errors import EmbedgeError
from embedge.export.int8.budget.before_after import BeforeAfter, FileFigures
from embedge.export.int8.budget.precision_plan import KeptLayer, PrecisionPlan
from embedge.export.int8.budget.verification_effect import Effect
from embedge.export.int8.calibration_set import decoded_pictures


def effect(loss: float) -> Effect:
    return Effect(1e-3, loss, 0.0, 0, 100, 0.02, 0.99)


def test_the_defaults() -> None:
    parser = argparse.ArgumentParser()
    configure(parser)
    options = parser.parse_args(["m.onnx", "--calib", "faces", "--out", "q.onnx"])
    assert (options.target, options.method, options.count) == ("cpu", "mse", 256)
    assert (options.model, options.keep, options.budget) == (Path("m.onnx"), [], None)
    with pytest.raises(SystemExit):
        parser.parse_args(["m.onnx", "--calib", "f", "--out", "q.onnx", "--cache", "c"])


@pytest.mark.parametrize("disturbed", [False, True])
def test_figures_in_words(disturbed: bool) -> None:
    before, after = FileFigures("a", 4_000_000, 6.0, 9), FileFigures("b", 1_000_000, 2.0, 9)
    text = _text(BeforeAfter(Cosines(0.99, 0.98, 0.97, 200), before, after, disturbed=disturbed))
    assert "200 other pictures: mean 0.99000, p1 0.98000, lowest 0.97000" in text
    assert "4.00 MB ->     1.00 MB" in text
    assert "(3.00 times as fast" in text
    assert ("measure again" in text) is disturbed


def test_a_plan_says_what_is_in_float_and_whether_the_budget_holds() -> None:
    kept = (KeptLayer("stem", 0.04, effect(0.2)),)
    missed = PrecisionPlan("cpu", {}, 0.1, effect(0.5), effect(0.3), kept)
    lines = _plan_text(missed).splitlines()
    assert lines[0] == "TAR at FMR 0.001 loses 0.300 points (0.500 with everything in INT8)"
    assert lines[1].startswith("  float: stem (4.00 % of the multiplications): everything in INT8")
    assert lines[2] == "the budget of 0.1 points is not reached"
    held = PrecisionPlan("cpu", {}, 0.1, effect(0.0), effect(0.0))
    assert _plan_text(held).endswith("the budget holds: nothing more stays in float")


@pytest.mark.parametrize("where", ["/proc/q.onnx", "."])
def test_a_place_nobody_can_write_to_is_told_before_anything_is_read(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["quantize", "absent.onnx", "--calib", "absent", "--out", where]) == 2
    assert "E-WRITE" in capsys.readouterr().err


def test_photos_are_told_how_to_become_faces(tmp_path: Path) -> None:
    for name, side in (("a.png", 112), ("b.png", 200)):
        Image.new("RGB", (side, side)).save(tmp_path / name)
    with pytest.raises(EmbedgeError, match="embedge data align PHOTOS"):
        decoded_pictures(tmp_path, ["a.png", "b.png"])
