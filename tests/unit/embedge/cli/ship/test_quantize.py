"""What the command prints, from typed figures and plans."""

import argparse
from pathlib import Path

import pytest

from embedge.calibration.evaluation.figures import Cosines
from embedge.cli.ship.quantize import _plan_text, _text, configure
from embedge.export.int8.budget.before_after import BeforeAfter, FileFigures
from embedge.export.int8.budget.precision_plan import KeptLayer, PrecisionPlan
from embedge.export.int8.budget.verification_effect import Effect


def effect(loss: float) -> Effect:
    return Effect(1e-3, loss, 0.0, 0, 100, 0.02, 0.99)


def test_the_defaults():
    parser = argparse.ArgumentParser()
    configure(parser)
    options = parser.parse_args(["m.onnx", "--calib", "faces", "--out", "q.onnx"])
    assert (options.target, options.method, options.count) == ("cpu", "mse", 256)
    assert (options.model, options.keep, options.budget) == (Path("m.onnx"), [], None)
    with pytest.raises(SystemExit):
        parser.parse_args(["m.onnx", "--calib", "f", "--out", "q.onnx", "--cache", "c"])


@pytest.mark.parametrize("disturbed", [False, True])
def test_figures_in_words(disturbed):
    before, after = FileFigures("a", 4_000_000, 6.0, 9), FileFigures("b", 1_000_000, 2.0, 9)
    text = _text(BeforeAfter(Cosines(0.99, 0.98, 0.97, 200), before, after, disturbed=disturbed))
    assert "200 other pictures: mean 0.99000, p1 0.98000, lowest 0.97000" in text
    assert "4.00 MB ->     1.00 MB" in text
    assert "(3.00 times as fast" in text
    assert ("measure again" in text) is disturbed


def test_a_plan_says_what_is_in_float_and_whether_the_budget_holds():
    kept = (KeptLayer("stem", 0.04, effect(0.2)),)
    missed = PrecisionPlan("cpu", {}, 0.1, effect(0.5), effect(0.3), kept)
    lines = _plan_text(missed).splitlines()
    assert lines[0] == "TAR at FMR 0.001 loses 0.300 points (0.500 with everything in INT8)"
    assert lines[1].startswith("  float: stem (4.00 % of the multiplications): everything in INT8")
    assert lines[2] == "the budget of 0.1 points is not reached"
    held = PrecisionPlan("cpu", {}, 0.1, effect(0.0), effect(0.0))
    assert _plan_text(held).endswith("the budget holds: nothing more stays in float")
