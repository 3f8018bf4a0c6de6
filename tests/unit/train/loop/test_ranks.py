"""Several processes train as one does: gradients, statistics, centres and relations agree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

CHILD = Path(__file__).parents[3] / "support" / "rank_child.py"


def trained(processes, method, out):
    out.mkdir()
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    result = subprocess.run(
        [sys.executable, *(launch if processes > 1 else []), str(CHILD), method, str(out)],
        capture_output=True,
        text=True,
        timeout=400,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    return load_file(out / "end.safetensors")


@pytest.mark.parametrize(
    ("method", "ranks"),
    [
        ("th-kd", 2),
        ("rkd", 2),
        pytest.param("adadistill", 2, marks=pytest.mark.slow),
        pytest.param("th-kd", 4, marks=pytest.mark.slow),
    ],
)
def test_several_ranks_equal_one_after_twenty_steps(tmp_path, method, ranks):
    one, several = (trained(n, method, tmp_path / str(n)) for n in (1, ranks))
    assert one.keys() == several.keys()
    for name in one:
        if one[name].is_floating_point():
            allowed = 1e-5 * max(1.0, one[name].abs().max().item())
            assert (several[name] - one[name]).abs().max() <= allowed, name
        else:
            assert torch.equal(several[name], one[name]), name
