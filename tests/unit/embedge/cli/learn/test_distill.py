from argparse import Namespace
from pathlib import Path
from typing import get_args

import pytest

from embedge.cli import main
from embedge.cli.learn import distill
from embedge.pipeline.recipe import MethodName
from embedge.report.gate.measurand import OTHER
from embedge.report.gate.text import gate_lines
from embedge.report.model import Gate, Verdict
from embedge.train.teachers import SHIPPED


def options(**changes: object) -> Namespace:
    given = {"overrides": [], "method": None, "no_baseline": False, "teacher": None} | changes
    return Namespace(**given)


def test_short_options_are_recipe_keys() -> None:
    assert distill._overrides(options()) == []
    found = distill._overrides(options(overrides=["--seed", "1"], method="kd", no_baseline=True))
    assert found == ["--seed", "1", "--distill.method", "kd", "--distill.baseline", "false"]


def test_a_verdict_has_a_line_per_gate() -> None:
    gates = [Gate.of(OTHER, "g", "TAR lost", value, 1.0, "max", "points") for value in (0.25, None)]
    text = gate_lines(Verdict.of(gates))
    first, second = text.splitlines()
    assert first.split(maxsplit=3)[:3] == ["pass", "0.25", "points"]
    assert "≤ 1 points" in first
    assert second.startswith("FAIL    not measured")


def test_what_is_not_shown_is_told_twice_and_never_called_a_pass() -> None:
    short = Gate.of(OTHER, "loss", "TAR lost", 6.0, 1.0, "max", "points", at_best=0.0, needs=369)
    fine = Gate.of(OTHER, "g", "TAR lost", 0.25, 1.0, "max", "points")
    _, line, last = gate_lines(Verdict.of([fine, short])).splitlines()
    assert line.startswith("NOT SHOWN")
    assert line.endswith("TAR lost (0 points seen, needs at least 369 people)")
    assert last == "NOT SHOWN: too few people are judged to tell of 1 of 2 gates: loss"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "E-OPTION: no recipe was given"),
        (["--bogus"], "E-OPTION: unknown option '--bogus'"),
        (["--seed", "3"], "E-OPTION: no recipe was given"),
        (["--recipe", "dmeo"], "E-RECIPE-MISSING: there is no recipe 'dmeo'"),
        (["--demo", "--methd", "kd"], "E-OPTION: unknown option '--methd', did you mean 'method'?"),
        (["faces"], "E-OPTION: the recipe own needs faces and a teacher"),
        (["f", "--teacher", "t.onnx"], "E-FILES: these are not there: FACES f, --teacher t.onnx"),
        (["f", "--teacher", __file__], "E-DATA-MISSING: there is nothing at this path (f)"),
        (["rendered:120x2", "--teacher", "t.onnx"], "E-TEACHER: there is no such teacher (t.onnx)"),
        (["rendered:40x2", "--teacher", "t.onnx"], "E-DATA-FEW: 40 people are too few"),
        (["--demo", "--detector", "d.onnx"], "E-DETECTOR: there is no such detector (d.onnx)"),
        (["--demo", "--detector", __file__], "E-GRAPH: this is not an ONNX model"),
        (["--demo", "--distill.a", "2"], "distill.a: input should be less than or equal to 1"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["distill-and-export", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_help_names_every_method() -> None:
    assert get_args(MethodName) == distill.METHODS


def test_faces_come_first_and_nothing_else_is_taken_for_them() -> None:
    assert distill.spelled_out(["f", "--seed", "1"]) == ["--faces=f", "--seed", "1"]
    assert distill.spelled_out(["--seed", "1"]) == ["--seed", "1"]
    assert distill.spelled_out([]) == []


def test_faces_and_teacher_are_a_whole_recipe() -> None:
    faces = {"faces": "rendered:120x2", "teacher": str(SHIPPED), "demo": False, "recipe": None}
    found = distill._recipe(options(**faces, out=Path("runs/lock")))
    assert (found.name, found.data.source, found.data.held_out) == ("lock", "rendered:120x2", 50)
    assert (found.teacher.source, found.teacher.file) == ("file", str(SHIPPED))
    assert found.evaluate.gate_fmr == found.evaluate.threshold_fmr == 0.01
    odd = distill._recipe(options(**faces, out=Path("my run")))
    assert odd.name == "own"  # no name for a bundle


def test_a_teacher_of_ones_own_in_any_recipe() -> None:
    found = distill._recipe(
        options(recipe="demo", demo=False, faces="rendered:9x2", teacher="t.onnx", out=None)
    )
    assert (found.data.source, found.teacher.source) == ("rendered:9x2", "file")
    assert found.teacher.file == "t.onnx"
