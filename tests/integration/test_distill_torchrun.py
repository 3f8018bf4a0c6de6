"""The one command under torchrun: two processes learn together, one of them writes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from called import called
from safetensors.torch import load_file

TINY = Path(__file__).parent / "tiny.yaml"
# plain small steps: AdamW would magnify the last bits of the first ones. Statistics of half a batch
# would differ by tenths; that gradients agree to 1e-5 is shown where the loop is tested. With
# channels last, torch's own norm in one process errs by more than the two differ
CALM = ["--student.train.optimizer", "sgd", "--student.train.lr", "0.00003"]
CALM += ["--student.train.channels_last", "false", "--student.train.sync_norm", "true"]
CALM += ["--teacher.source", "shipped", "--export.precisions", "[fp32]", "--no-baseline"]


def distill(out: Path, *more: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return subprocess.run(
        [
            *(sys.executable, *(launch if processes > 1 else []), "-m", "embedge"),
            *("distill-and-export", "--recipe", str(TINY), "--out", str(out), *CALM, *more),
        ],
        capture_output=True,
        text=True,
        timeout=500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def assert_told(done: subprocess.CompletedProcess[str], code: str) -> None:
    """By whichever process came first: torchrun ends the other one, perhaps before it speaks."""
    told = re.search(rf"^embedge(, process 1)?: {code}: ", done.stderr, re.MULTILINE)
    assert told, done.stderr
    assert "Traceback" not in done.stderr[: told.start()]


def student(out: Path) -> dict[str, torch.Tensor]:
    (path,) = out.glob("stages/student-th-kd-*/student.safetensors")
    return load_file(path)


def test_two_processes_make_the_bundle_that_one_makes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone, together = distill(one), distill(two, processes=2)
    assert alone.returncode == 0, alone.stderr
    assert together.returncode == 0, together.stderr
    assert together.stderr.count("student-th-kd: done") == 1, "one process tells"
    assert (two / "tiny.embedge" / "manifest.json").is_file()
    assert not [path for path in two.rglob("*") if path.name.endswith(".part")]
    mine, theirs = student(two), student(one)
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        allowed = 1e-3 * max(1.0, value.abs().max().item())
        assert (mine[name] - value).abs().max() <= allowed, name

    again = called("distill-and-export", "--recipe", TINY, "--out", two, *CALM)
    assert again.returncode == 0, again.stderr
    assert "training" not in again.stderr, "what two made, one reuses"


@pytest.mark.parametrize("mistake", ["--data.source", "--seed"])
def test_a_mistake_ends_both_processes_with_its_reason(tmp_path: Path, mistake: str) -> None:
    out = tmp_path / "run"
    if mistake == "--seed":
        out.mkdir()
        (out / ".lock").touch()
        (out / "recipe.json").write_text('{"seed": 4}')
    value = "7" if mistake == "--seed" else str(tmp_path / "none")
    done = distill(out, mistake, value, processes=2)
    assert done.returncode != 0
    code = "E-RUN-OTHER" if mistake == "--seed" else "E-DATA-MISSING"
    assert_told(done, code)
    assert "torch.distributed.DistBackendError" not in done.stderr


@pytest.mark.parametrize(
    ("key", "processes"), [("--teacher.device", 1), ("--student.train.device", 2)]
)
def test_a_gpu_that_is_not_there_is_told_before_anything_is_made(
    tmp_path: Path, key: str, processes: int
) -> None:
    done = distill(tmp_path / "run", key, "cuda", processes=processes)
    assert done.returncode == (2 if processes == 1 else 1)
    assert_told(done, "E-NO-GPU")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_batch_that_they_cannot_share_is_told_before_anything_is_made(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    done = distill(tmp_path / "run", "--student.train.batch", "15", *more, processes=2)
    assert done.returncode != 0
    assert_told(done, "E-BATCH")
    assert "student.train.batch that is a multiple of 2, from 4 on" in done.stderr
    assert not (tmp_path / "run").exists()
