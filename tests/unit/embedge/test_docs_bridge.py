"""docs/changing-the-model.md shows the run that the file of results tells of."""

import json
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs" / "changing-the-model.md").read_text()
PAIR = json.loads((REPOSITORY / "benchmarks" / "results" / "bridge.json").read_text())["pairs"][
    "w600k_mbf > insightface_y1"
]


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
