"""docs/changing-the-model.md shows the run that the file of results tells of."""

import json
import re
from pathlib import Path

import pytest
from benchmark import benchmark

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs" / "changing-the-model.md").read_text()
PAIRS = json.loads((REPOSITORY / "benchmarks" / "results" / "bridge.json").read_text())["pairs"]
PAIR = PAIRS["w600k_mbf > insightface_y1"]


@pytest.mark.parametrize("number", range(4))
def test_the_table_of_the_real_run(number: int) -> None:
    point, tar = (PAIR["labelled"][name][number] for name in ("points", "bridged"))
    wanted = [f"{point['fmr']:.0e}"]
    wanted += [f"{point[name]:.2%}" for name in ("old", "new", "bridged")]
    wanted += [f"{tar['low']:.2%}", f"{tar['high']:.2%}", f"{point['kept']:.2%}"]
    wanted += [f"{point['lost']}", f"{point['won']}"]
    (shown,) = [line for line in PAGE.splitlines() if line.startswith(f"  {wanted[0]} ")]
    assert shown.replace("[", " ").replace("]", " ").split() == wanted


def test_its_verdict_and_its_promises() -> None:
    assert PAIR["verdict"]["decision"].upper() in PAGE
    for reason in PAIR["verdict"]["reasons"]:
        assert reason in PAGE
    promised = [f"{one['kept']:.1%} at {one['fmr']:.0e}" for one in PAIR["agreement"]["promises"]]
    assert ", ".join(promised) in PAGE
    assert f"cosine on left-out ones {PAIR['fit']['cosine']:.3f}" in PAGE
    assert f"the new system in {PAIR['attack']['rank1']:.1%} of look-ups" in PAGE.replace("\n", " ")
    strict = PAIR["labelled"]["threshold"]
    assert f"threshold  {strict['value']:.3f} for FMR {strict['fmr_target']:g}" in PAGE


def test_what_else_the_real_run_tells() -> None:
    found, agreed, other = (
        PAIR["labelled"],
        PAIR["agreement"],
        PAIR["labelled"]["on_other_people"],
    )
    fmr, fnmr = other["fmr"], other["fnmr"]
    assert f"{PAIR['attack']['templates']:,} people, {found['genuine']:,} genuine and" in PAGE
    assert f"and {found['impostor']:,} impostor pairs" in PAGE
    assert f"kernel {PAIR['fit']['setting']}, {PAIR['fit']['pictures']:,} pictures" in PAGE
    assert (
        f"on the others FMR {fmr['rate']:.1e} [{fmr['low']:.1e} {fmr['high']:.1e}],"
        f" FNMR {fnmr['rate']:.2%}"
    ) in PAGE
    assert (
        f"of {agreed['pictures']:,} left-out pictures {agreed['rank1']:.1%} find their own;"
        f" order {agreed['order']:.3f}, noise {agreed['noise']:.2f}"
    ) in PAGE
    assert f"by guessing {PAIR['attack']['blind']:.2%}" in PAGE


def test_what_the_threshold_of_unlabelled_strangers_costs() -> None:
    strict = [pair["unlabelled_threshold"] for pair in PAIRS.values()]
    assert {one["fmr_on_lfw"] for one in strict} == {0}
    tars = [one["tar_on_lfw"] for one in strict]
    assert f"a TAR of {min(tars):.0%} to {max(tars):.0%}".replace("% to", " to").replace(
        "%", " %"
    ) in " ".join(PAGE.split())


def test_the_page_of_results_counts_the_goals_that_are_met() -> None:
    reached = benchmark("results_bridges")._reached
    point = {"fmr": 1e-4, "kept": 0.98, "kept_low": 0.97, "goal": 0.98}
    pair = {
        "labelled": {"points": [point, {"fmr": 1e-2, "kept": 0.5, "goal": None}]},
        "rest": {"fmr": [1e-4], "kept": [0.97]},
    }
    told = reached({"a > b": pair})
    assert "Of the 1 goals (pairs × FMR) **1 are met**" in told
    assert "no constant was chosen on,\n0 of 1" in told
    short = {**pair, "labelled": {"points": [{**point, "kept": 0.975}]}}
    assert "Missed: a > b at 1e-04 by 0.5%" in reached({"a > b": short})


def test_people_whom_a_network_learnt_do_not_judge_it(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("Ann\nBob\n")
    found = benchmark("bridge").strangers_to([f"own={tmp_path / 'some.txt'}"])
    assert found == {"own": {"Ann", "Bob"}}


def test_how_many_pictures_it_takes() -> None:
    sizes = json.loads((REPOSITORY / "benchmarks" / "results" / "bridge_size.json").read_text())
    at, told = sizes["fmrs"].index(1e-4), " ".join(PAGE.split())
    for count, found in sizes["pairs"]["insightface_y1 > w600k_mbf"].items():
        number, share = f"{int(count):,}", f"{found['kept'][at]:.1%}".replace("%", " %")
        assert re.search(rf"{number} (pictures )?keep {share}", told), number
