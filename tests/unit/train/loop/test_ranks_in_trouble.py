"""Processes of which one fails: all end, somebody says why, and the same command goes on."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

CHILD = Path(__file__).parents[3] / "support" / "rank_in_trouble.py"
SECONDS = 120  # torch's own patience with a rank that is gone would be days


def trained(what: str, out: Path, many: int) -> subprocess.CompletedProcess[str]:
    out.mkdir(exist_ok=True)
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={many}"]
    return subprocess.run(
        [sys.executable, *launch, str(CHILD), what, str(out)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        # our kernels add up about a norm's running mean, and each rank has its own until a resume
        env={**os.environ, "OMP_NUM_THREADS": "1", "EMBEDGE_KERNELS": "0"},
    )


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def many(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, many: int) -> Path:
    out = tmp_path_factory.mktemp(f"whole-{many}")
    done = trained("nothing", out, many)
    assert done.returncode == 0, done.stderr
    return out


def test_they_stop_early_together_and_read_each_picture_once_an_epoch(
    whole: Path, many: int
) -> None:
    read: dict[int, list[int]] = {}
    for rank in range(many):
        for line in (whole / f"decoded-{rank}.txt").read_text().splitlines():
            step, *index = map(int, line.split())
            assert len(index) == 8 // many, "its share of a batch of eight"
            read.setdefault(step, []).extend(index)
    for epoch in range(6):  # three steps of eight are the twenty-four pictures
        seen = Counter(one for step in range(3) for one in read[3 * epoch + step])
        assert seen == Counter(range(24))


@pytest.mark.slow
def test_whatever_befalls_one_of_them_the_end_is_the_same(
    whole: Path, many: int, tmp_path: Path
) -> None:
    said = {
        "loader": "E-DATA-CORRUPT: the second cannot read",
        "killed": "SIGTERM",
        "disk": "No space left on device",
    }
    for what, why in said.items():
        failed = trained(what, tmp_path, many)
        assert failed.returncode != 0, what
        assert why in failed.stderr, what
        assert "Connection closed by peer" not in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "end.safetensors").exists()
    again = trained("nothing", tmp_path, many)
    assert again.returncode == 0, again.stderr
    steps = [int(x.split()[0]) for x in (tmp_path / "decoded-0.txt").read_text().splitlines()]
    assert steps.count(0) == 1, "each went on where the one before had come to"
    theirs, mine = (load_file(place / "end.safetensors") for place in (whole, tmp_path))
    for name, value in theirs.items():
        assert torch.equal(mine[name], value), name
