import json
from pathlib import Path

import pytest

from embedge.cli import main

SIZE = ["plan", "--batch", "64", "--device", "l4", "--classes"]


def test_figures_are_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.json"
    assert main([*SIZE, "1000", "--dim", "16", "--json", str(out)]) == 0
    assert "1,000 classes × 16, batch 64 per rank, 1 rank\n" in capsys.readouterr().out
    found = json.loads(out.read_text())["plans"]
    assert set(found) == {"frozen", "trainable", "naive"}
    assert found["frozen"]["weights"] == 1000 * 16 * 4
    assert found["trainable"]["momentum"] == 1000 * 16 * 4
    parts = ("weights", "gradients", "momentum", "working")
    for cost in found.values():
        assert cost["total"] == sum(cost[name] for name in parts)
        assert cost["fits"]


def test_a_head_that_does_not_fit_ends_with_3() -> None:
    assert main([*SIZE, "500000000"]) == 3


def test_mistakes_name_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.json").write_text("{")
    assert main([*SIZE, "9", "--machine", str(tmp_path / "m.json")]) == 2
    assert "E-PLAN-MACHINE" in capsys.readouterr().err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plan", *arguments]) in (0, 2, 3)
    said = capsys.readouterr()
    return said.out + said.err


def test_how_many_pictures_and_classes_is_the_recipes_to_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "5,179,510 pictures of 93,431 people;" in told(capsys, "ms1mv3-scratch")
    assert "80,000 pictures of 2,000 people;" in told(capsys, "rendered")
    mine = ["unlabelled", "--data.source", "faces"]
    assert "900 pictures of 900 classes at most" in told(capsys, *mine, "--pictures", "900")
    for wrong in (
        ["rendered", "--pictures", "900"],
        [*mine, "--people", "90"],
        ["ms1mv3-scratch", "--pictures", "3"],
    ):
        assert "E-OPTION" in told(capsys, *wrong)


@pytest.mark.parametrize("words", [["--people", "1000000000"], ["--pictures", "0"]])
def test_people_that_nobody_has_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "ms1mv3-scratch", *words])


def test_a_key_that_changes_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--seed", "3", "--student.train.batch=2048", "--bench.seconds=9"]
    said = told(capsys, "ms1mv3-scratch", *keys)
    assert said.splitlines()[-1] == "changes nothing of this plan: --seed, --bench.seconds"
