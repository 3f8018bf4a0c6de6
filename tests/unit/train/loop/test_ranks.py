"""Several processes train as one does: gradients, statistics, centres and relations agree."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, nn

from embedge.errors import EmbedgeError
from embedge.train.loop import ranks

CHILD = Path(__file__).parents[3] / "support" / "rank_child.py"


def trained(processes: int, method: str, out: Path) -> dict[str, torch.Tensor]:
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
    ("method", "many"),
    [
        ("rkd", 2),
        pytest.param("rkd", 4, marks=pytest.mark.slow),
        pytest.param("adadistill", 2, marks=pytest.mark.slow),
        pytest.param("adadistill", 4, marks=pytest.mark.slow),
        pytest.param("th-kd", 2, marks=pytest.mark.slow),  # test_distill_torchrun has one, too
        pytest.param("th-kd", 4, marks=pytest.mark.slow),
    ],
)
def test_several_ranks_equal_one_after_twenty_steps(tmp_path: Path, method: str, many: int) -> None:
    one, several = (trained(n, method, tmp_path / str(n)) for n in (1, many))
    assert one.keys() == several.keys()
    for name in one:
        if one[name].is_floating_point():
            allowed = 1e-5 * max(1.0, one[name].abs().max().item())
            assert (several[name] - one[name]).abs().max() <= allowed, name
        else:
            assert torch.equal(several[name], one[name]), name
    rows = [
        np.loadtxt(tmp_path / str(n) / "student.csv", delimiter=",", skiprows=1) for n in (1, many)
    ]
    np.testing.assert_allclose(rows[1], rows[0], rtol=1e-3, atol=1e-4)


def test_wrapping_warns_of_nothing_that_a_user_could_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr(ranks, "world", lambda: 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spread = ranks.wrapped(torch.nn.Linear(2, 2), torch.device("cpu"))
            with pytest.raises(FutureWarning):  # elsewhere it is told
                warnings.warn("`broadcast_buffers` is deprecated", FutureWarning, stacklevel=1)
    finally:
        ranks.dismiss()
    assert isinstance(spread, torch.nn.parallel.DistributedDataParallel)


def test_gradients_are_sent_while_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's own wrapper, round the student and round a head that learns; not round others."""
    made = []

    def noted(module: nn.Module, **options: Any) -> nn.Module:
        made.append((module, options["broadcast_buffers"]))
        return module

    wrapper = ranks.DistributedDataParallel  # type: ignore[attr-defined]
    assert wrapper is torch.nn.parallel.DistributedDataParallel
    monkeypatch.setattr(ranks, "DistributedDataParallel", noted)
    monkeypatch.setattr(ranks, "world", lambda: 2)
    learns, frozen = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False)
    for module in (learns, frozen):
        assert ranks.wrapped(module, torch.device("cpu")) is module
    assert made == [(learns, False)]


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "3", "RANK": "2", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    told = pytest.raises(EmbedgeError, match=r"E-NO-GPU: process 3 .*: 2 are .*per-node 2")
    with told, ranks.joined("cuda"):
        pass


def test_whoever_loses_another_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "init_process_group", lambda *_, **__: None)
    with pytest.raises(EmbedgeError, match="E-RANK: another process stopped"), ranks.joined():
        raise RuntimeError("[pair.cc:547] Connection closed by peer [127.0.0.1]:5")
    with pytest.raises(RuntimeError, match="a fault of ours"), ranks.joined():
        raise RuntimeError("a fault of ours")
