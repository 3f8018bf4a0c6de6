"""`embedge plan` as a user runs it."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from called import called, started


def plan(*arguments: str) -> CompletedProcess[str]:
    return called("plan", *arguments)


def test_a_published_gpu_needs_no_measuring(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    done = plan(
        "--classes", "2059906", "--batch", "1024", "--gpus", "8", "--device", "h100",
        "--dtype", "fp16", "--json", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not measured" in done.stdout
    assert "2,059,906 classes × 512" in done.stdout
    found = json.loads(out.read_text())["plans"]
    assert found["frozen"]["weights"] == 2059906 * 512 * 2, "whole on each of them"
    assert found["frozen"]["fits"]


def test_a_head_that_does_not_fit_ends_with_3() -> None:
    done = plan("--classes", "500000000", "--batch", "64", "--device", "l4")
    assert done.returncode == 3
    assert "NO" in done.stdout


def test_the_backbone_can_reserve_memory() -> None:
    size = ("--classes", "10000000", "--batch", "64", "--device", "l4")  # 19.1 GiB of 22.3
    assert plan(*size).returncode == 0
    assert plan(*size, "--reserve-gib", "6").returncode == 3


def test_this_machine_is_measured_saved_and_read_again(tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    size = ("--classes", "50000", "--batch", "16", "--dim", "64")
    first = started("plan", *size, "--save-machine", machine, OMP_NUM_THREADS="1")
    assert first.returncode == 0, first.stderr
    assert "measured here" in first.stdout
    assert plan(*size, "--machine", str(machine)).stdout == first.stdout


def test_mistakes_are_named(tmp_path: Path) -> None:
    done = plan("--classes", "0", "--batch", "16", "--device", "h100")
    assert done.returncode == 2
    assert "--classes: 0 is not a whole number from 1" in done.stderr
    (tmp_path / "m.json").write_text("[]")
    done = plan("--classes", "5", "--batch", "16", "--machine", str(tmp_path / "m.json"))
    assert done.returncode == 2
    assert "E-PLAN-MACHINE" in done.stderr


def test_a_recipe_is_planned_with_its_keys(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    keys = ("--student.train.epochs", "2", "--json", str(out))
    done = plan("ms1mv3-th-kd", "--gpus", "8", "--gpu", "h200", *keys)
    assert done.returncode == 0, done.stderr
    assert "predicted, not yet run" in done.stdout
    students = [one for one in json.loads(out.read_text())["stretches"] if one["what"] == "student"]
    assert abs(students[0]["pictures"] - 2 * 5_179_510) < 1024
    too_much = plan("ms1mv3-sh-kd", "--gpu", "l4", "--gpus", "1")
    assert too_much.returncode == 3
    assert "does NOT fit" in too_much.stdout


def test_what_a_recipe_does_not_read_is_refused() -> None:
    for option in ("--batch", "--classes"):
        done = plan("ms1mv3-th-kd", option, "64")
        assert done.returncode == 2
        assert f"E-OPTION: {option} is of a head without a recipe" in done.stderr


@pytest.mark.parametrize("gpus", ["3", "1024", "100000"])
def test_gpus_that_cannot_share_the_batch_are_refused(gpus: str) -> None:
    done = plan("ms1mv3-th-kd", "--gpus", gpus)
    assert done.returncode == 2
    assert f"E-BATCH: a batch of 1024 does not divide into {gpus} processes" in done.stderr


def test_without_recipe_or_size_it_says_what_it_wants() -> None:
    done = plan("--gpus", "2")
    assert done.returncode == 2
    assert "--classes and --batch" in done.stderr
