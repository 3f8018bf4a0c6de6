"""What a comparison is said to show, and what it is not."""

from typing import Any

import pytest

from embedge.pipeline.compare.comparison_table import legend, table, verdict
from embedge.pipeline.compare.result import MethodsComparison

FMR, KEY = 0.01, "0.01"
COUNTS = {"eer": None, "genuine": 250, "impostor": 12_250}


def method(
    mean: float | None, gap: dict[str, Any] | None = None, sd: float = 0.02
) -> dict[str, Any]:
    spread = mean and {"mean": mean, "sd": sd, "n": 2, "low": mean - 0.05, "high": mean + 0.04}
    rates = {"tar": {KEY: mean}, **COUNTS}
    one = {"seed": 0, "cross-space": rates, "student": rates, "train_s": 12.0}
    return {
        "runs": [one],
        "summary": {"cross-space": {KEY: spread}, "student": {KEY: spread}},
        "behind": {"cross-space": {KEY: gap}, "student": {KEY: gap}},
    }


def gap(points: float, certain: bool) -> dict[str, Any]:
    difference = points / 100
    ends = {"low": difference - 0.02, "high": difference + 0.02}
    return {"difference": difference, **ends, "seeds": 2, "certain": certain}


typed = MethodsComparison.from_json


@pytest.fixture
def result() -> dict[str, Any]:
    return {
        "recipe": {"distill": {"shape": "map"}},
        "seeds": [0, 1],
        "teacher": {"tar": {KEY: 0.95}, **COUNTS},
        "methods": {
            "scratch": method(0.10, gap(70, certain=True)),
            "th-kd": method(0.80),
            "l2e": method(0.79, gap(1, certain=False)),
        },
    }


def test_the_best_stands_first_and_the_others_behind_it(result: dict[str, Any]) -> None:
    rows = table(typed(result), FMR).splitlines()[3:]
    assert [row.split("|")[1].strip() for row in rows] == ["th-kd", "l2e", "scratch"]
    assert rows[0].split("|")[2:4] == [" 80.00 ± 2.00 % (75.0 to 84.0) ", " – "]
    assert rows[2].split("|")[3] == " 70.0 (68.0 to 72.0) "


def test_one_seed_has_no_spread(result: dict[str, Any]) -> None:
    result["methods"]["th-kd"] = method(0.80, sd=None)
    assert "80.00 % (75.0 to 84.0)" in table(typed(result), FMR)
    result["seeds"] = [0]
    assert verdict(typed(result), FMR).endswith("not yet of their methods.")


def test_only_what_is_certain_is_called_behind(result: dict[str, Any]) -> None:
    assert verdict(typed(result), FMR) == (
        "th-kd has the best cross-space TAR. Not told apart from it: l2e."
        " Behind it for certain, by points: scratch (70.0)."
    )


def test_one_method_alone_wins_nothing(result: dict[str, Any]) -> None:
    result["methods"] = {"th-kd": method(0.80)}
    assert verdict(typed(result), FMR) == "One method alone has nobody to lead."


def test_without_figures_nobody_wins(result: dict[str, Any]) -> None:
    result["methods"] = {"th-kd": method(None)}
    result["teacher"]["tar"][KEY] = None
    assert "| th-kd | – | – | – |" in table(typed(result), FMR)
    assert verdict(typed(result), FMR).startswith("No winner")


def test_whose_gallery_sh_kd_needs_is_told(result: dict[str, Any]) -> None:
    assert "sh-kd" not in legend(typed(result))
    result["methods"]["sh-kd"] = method(0.5, gap(30, certain=True))
    assert "linear map" in legend(typed(result))
    result["recipe"]["distill"]["shape"] = "network"
    assert "enrol its gallery anew" in legend(typed(result))
