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
