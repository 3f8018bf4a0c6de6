"""Who leads a comparison of methods, by how much, and when nobody can say."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_school import run_in, tiny_recipe

from embedge.calibration.intervals.lead import TarOfPeople
from embedge.pipeline.compare import comparing
from embedge.pipeline.compare.comparing import Contestant, compare_methods, shown_fmr
from embedge.pipeline.compare.result import MethodsComparison, Rates
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run, Stage
from embedge.typed import plain

KEY, PEOPLE = "0.01", 50
TARS = {  # (across, alone) of the seeds 0 and 1; None is what the data could not carry
    "th-kd": ((0.8, 0.9), (0.85, 0.95)),
    "kd": ((0.6, 0.7), (0.9, 1.0)),
    "scratch": ((None, None), (0.5, 0.5)),
}


def rates(tar: float | None) -> Rates:
    return Rates({KEY: tar}, None, 250, 12_250, PEOPLE)


class FakeStrangers:
    """Knows what every student is worth; the bootstrap rounds scatter about that."""

    def __init__(self, run: Run, recipe: Recipe, held_out: Stage, checked: bool) -> None:
        self.folder = run.folder

    def teacher(self, stage: Stage) -> Rates:
        return rates(0.99)

    def student(self, name: str, recipe: Recipe, student: Stage, teacher: Stage) -> Stage:
        across, alone = (tars[recipe.seed] for tars in TARS[name])
        facts = plain({"cross-space": rates(across), "student": rates(alone)})
        return Stage(f"judged-{name}", name, self.folder, facts)


def rounds(judged: Stage) -> dict[str, TarOfPeople]:
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    return {
        f"{metric}/{KEY}": TarOfPeople(
            np.full(200, 5.0), np.full(200, 5 * found["tar"][KEY]), found["tar"][KEY] + noise
        )
        for metric, found in judged.facts.items()
        if found["tar"][KEY] is not None
    }


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, Recipe]]:
    """Each training that was asked for; it took 12 seconds."""
    asked: list[tuple[str, Recipe]] = []
    (tmp_path / "stage.json").write_text(json.dumps({"seconds": 12.0}))
    stage = Stage("any", "0", tmp_path, {})

    def learn(run: Run, recipe: Recipe, method: str, *_: object) -> dict[str, Stage]:
        asked.append((method, recipe))
        return {"student": stage, "teacher": stage}

    school = SimpleNamespace(teacher=stage)
    monkeypatch.setattr(comparing, "school_of", lambda *_: (school, None))
    monkeypatch.setattr(comparing, "held_out_stage", lambda *_: stage)
    monkeypatch.setattr(comparing, "learning_stages", learn)
    monkeypatch.setattr(comparing, "Strangers", FakeStrangers)
    monkeypatch.setattr(comparing, "rounds_of", rounds)
    return asked


def compared(tmp_path: Path, *methods: str | Contestant, seeds: tuple[int, ...] = (0, 1)) -> Any:
    run = run_in(tmp_path)
    found = compare_methods(run, tiny_recipe(evaluate__fmrs=[0.01]), methods, seeds)
    assert MethodsComparison.from_json(found.to_json()) == found
    return found.to_json()


def test_every_method_is_trained_with_every_seed_and_no_baseline(
    trained: list[tuple[str, Recipe]], tmp_path: Path
) -> None:
    found = compared(tmp_path, "th-kd", "kd")
    asked = [(method, recipe.seed, recipe.distill.baseline) for method, recipe in trained]
    assert asked == [(method, seed, False) for method in ("th-kd", "kd") for seed in (0, 1)]
    assert [run["train_s"] for run in found["methods"]["kd"]["runs"]] == [12, 12]
    assert json.loads((tmp_path / "comparison.json").read_text()) == found


@pytest.mark.usefixtures("trained")
def test_the_best_of_a_metric_is_behind_nobody_and_the_others_behind_it(tmp_path: Path) -> None:
    methods = compared(tmp_path, "th-kd", "kd")["methods"]
    assert methods["th-kd"]["behind"]["cross-space"][KEY] is None
    behind = methods["kd"]["behind"]["cross-space"][KEY]
    assert behind["difference"] == pytest.approx(0.2)
    assert (behind["seeds"], behind["certain"]) == (2, True)
    assert methods["kd"]["behind"]["student"][KEY] is None
    assert methods["th-kd"]["behind"]["student"][KEY]["difference"] == pytest.approx(0.05)


@pytest.mark.usefixtures("trained")
def test_a_lead_that_one_seed_denies_is_not_certain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARS, "kd", ((0.81, 0.5), (0.9, 1.0)))
    behind = compared(tmp_path, "th-kd", "kd")["methods"]["kd"]["behind"]["cross-space"][KEY]
    assert behind["low"] > 0
    assert (behind["seeds"], behind["certain"]) == (1, False)


@pytest.mark.usefixtures("trained")
def test_a_figure_that_the_data_cannot_carry_is_none_and_leads_nobody(tmp_path: Path) -> None:
    methods = compared(tmp_path, "scratch", "kd")["methods"]
    assert methods["scratch"]["summary"]["cross-space"][KEY] is None
    assert methods["scratch"]["behind"]["cross-space"][KEY] is None
    assert methods["kd"]["behind"]["cross-space"][KEY] is None
    assert methods["scratch"]["behind"]["student"][KEY]["difference"] == pytest.approx(0.45)


@pytest.mark.usefixtures("trained")
def test_the_spread_over_seeds_takes_two_of_them(tmp_path: Path) -> None:
    both, one = (
        compared(tmp_path, "kd", seeds=seeds)["methods"]["kd"]["summary"]["cross-space"][KEY]
        for seeds in ((0, 1), (0,))
    )
    assert (both["mean"], both["sd"], both["n"]) == pytest.approx((0.65, 0.005**0.5, 2))
    assert both["low"] < 0.65 < both["high"]
    assert (one["mean"], one["sd"], one["n"]) == (0.6, None, 1)


def test_a_contestant_brings_a_recipe_and_a_name(
    trained: list[tuple[str, Recipe]], tmp_path: Path
) -> None:
    own = tiny_recipe(evaluate__fmrs=[0.01], distill__beta=3)
    found = compared(tmp_path, Contestant("kd, hard", "kd", own), seeds=(1,))
    assert list(found["methods"]) == ["kd, hard"]
    ((method, recipe),) = trained
    assert (method, recipe.distill.beta, recipe.seed) == ("kd", 3, 1)


def test_tables_are_drawn_at_the_gates_rate_where_it_was_measured() -> None:
    assert shown_fmr(tiny_recipe(evaluate__fmrs=[0.01, 0.001], evaluate__gate_fmr=0.001)) == 0.001
    assert shown_fmr(tiny_recipe(evaluate__fmrs=[0.01, 0.1], evaluate__gate_fmr=0.001)) == 0.01
