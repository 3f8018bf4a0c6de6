"""The script for the day with a GPU, run as small as it gets: no part of it may be found broken."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def day(out: Path, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    command = [sys.executable, "gpu_day.py", "--out", str(out), *arguments]
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run(
        command, cwd=BENCHMARKS, env=environment, capture_output=True, text=True, timeout=900
    )
    assert out.is_file(), done.stderr
    return done.returncode, json.loads(out.read_text())["parts"]


@pytest.mark.parametrize(
    "parts",
    [
        ["device", "triton", "teacher", "loader"],
        pytest.param(
            ["suite", "heads", "training", "compiled", "resume", "recipes", "onnxruntime"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_part_runs_on_a_processor(tmp_path: Path, parts: list[str]) -> None:
    status, found = day(tmp_path / "day.json", "--cpu", "--seconds", "800", "--only", *parts)
    nowhere = [] if shutil.which("nvidia-smi") else ["suite"]
    expected = {name: "skipped" if name in nowhere else "done" for name in parts}
    assert {name: part["state"] for name, part in found.items()} == expected, [
        part.get("why") for part in found.values()
    ]
    assert status == 0


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a GPU is here")
def test_a_part_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    """Here there is no GPU: what asks for one says so, and the next part is tried all the same."""
    status, found = day(tmp_path / "day.json", "--only", "device", "resume")
    assert status == 1
    assert [part["state"] for part in found.values()] == ["failed", "failed"]
    assert all(part["why"] for part in found.values())


def test_without_time_nothing_is_begun(tmp_path: Path) -> None:
    status, found = day(tmp_path / "day.json", "--cpu", "--seconds", "0", "--only", "device")
    assert (status, found["device"]["state"]) == (1, "no time")


def test_a_part_over_its_time_leaves_nothing_running(tmp_path: Path) -> None:
    """The grandchild notes the time until it is ended."""
    beats = tmp_path / "beats"
    waits = f"sh -c 'while true; do echo >> {beats}; sleep 0.05; done' & wait"
    asked = f"import gpu_day; print(gpu_day.ran_within(['sh', '-c', {waits!r}], 1.0))"
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "not done after 1 s", done.stderr
    counted = beats.stat().st_size
    assert counted > 2
    time.sleep(0.5)
    assert beats.stat().st_size == counted
