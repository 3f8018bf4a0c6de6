"""The Triton kernel: numbers under its interpreter, and real compilation for GPUs that are absent.

Both run in processes of their own: Triton decides when it is imported whether it interprets.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from embedge.errors import EmbedgeError
from embedge.optional import available
from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin
from embedge.train.head.streamed import reading
from embedge.train.head.streamed.reading import Kernel

HERE = Path(__file__).parent
needs_triton = pytest.mark.skipif(not available("triton"), reason="the package triton is absent")

# bfloat16 rounds the weights of the mean row: three digits. Everything else is float32.
ALL_KINDS = {"sm_80", "sm_86", "sm_89", "sm_90", "sm_100"}
BOUNDS = {"fp32": (2e-5, 1e-5), "fp16": (2e-5, 5e-4), "bf16": (1e-3, 2e-3)}


def run_script(script: str, *arguments: str, interpret: bool) -> dict[str, dict[str, float]]:
    environment = dict(os.environ, TRITON_INTERPRET="1" if interpret else "0", OMP_NUM_THREADS="1")
    command = [sys.executable, "-W", "ignore", str(HERE / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def errors() -> dict[str, dict[str, float]]:
    return run_script("interpreted_cases.py", interpret=True)


@needs_triton
@pytest.mark.parametrize("precision", BOUNDS)
def test_equals_float64_within_the_heads_precision(
    errors: dict[str, dict[str, float]], precision: str
) -> None:
    cases = {name: found for name, found in errors.items() if name.startswith(precision)}
    assert len(cases) >= 1
    for name, found in cases.items():
        assert found["loss"] < BOUNDS[precision][0], name
        assert found["gradient"] < BOUNDS[precision][1], name


@needs_triton
@pytest.mark.parametrize("which", ["common", pytest.param("all", marks=pytest.mark.slow)])
def test_compiles_for_gpus_that_are_not_here_without_a_spill(which: str) -> None:
    """Every tile that the tuner may choose, for Ampere, Ada, Hopper and Blackwell."""
    compiled = run_script("compiled_cases.py", which, interpret=False)
    architectures = {name.split()[0] for name in compiled}
    assert architectures >= ({"sm_80", "sm_90"} if which == "common" else ALL_KINDS)
    for name, found in compiled.items():
        assert found["tensor_cores"], name
        assert found["shared"] <= found["limit"], name
        assert found["stack"] == found["local"] == 0, f"{name} spills"
        assert 0 < found["registers"] <= 255, name


def test_a_float32_head_goes_through_cublas() -> None:
    """Its tiles spill, so that nobody gets them who did not ask for them."""
    obstacle = reading._obstacle("auto", "cuda", torch.float32, torch.float32, 512)
    assert obstacle is not None
    assert ("spill" in obstacle) == available("triton")


def test_is_refused_where_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(EmbedgeError, match="E-HEAD-KERNEL"):
        margin_ce(torch.ones(2, 16), torch.eye(16), torch.tensor([0, 1]), Margin(), kernel="triton")


@pytest.mark.gpu
@pytest.mark.parametrize("dim", [128, 512, 1024])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_on_a_gpu_equals_float64(dim: int, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    weight = torch.nn.functional.normalize(torch.randn(5003, dim, generator=draw)).to(dtype)
    labels = torch.randint(5003, (67,), generator=draw)
    embeddings = weight[labels].float() + torch.randn(67, dim, generator=draw) / dim**0.5
    gradients = []
    ways: tuple[tuple[Kernel, torch.dtype], ...] = (
        ("triton", torch.float32),
        ("torch", torch.float64),
    )
    for kernel, kind in ways:
        leaf = embeddings.cuda().to(kind).requires_grad_()
        head = weight.cuda() if kernel == "triton" else weight.cuda().double()
        loss = margin_ce(leaf, head, labels.cuda(), Margin(m2=0.5), kernel=kernel)
        (gradient,) = torch.autograd.grad(loss.mean(), leaf)
        gradients.append(gradient.double())
    error = ((gradients[0] - gradients[1]).norm() / gradients[1].norm()).item()
    assert error < (1e-5 if dtype == torch.float32 else 2e-3)


def test_the_choice_and_its_reason_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    weight = torch.eye(2, 1031)  # a dimension that no other test uses, properties included
    with caplog.at_level("INFO", logger="embedge.head"):
        for _ in range(2):
            margin_ce(torch.ones(2, 1031), weight, torch.tensor([0, 1]), Margin())
    (record,) = [r for r in caplog.records if r.name == "embedge.head"]
    text = record.getMessage()
    assert text.startswith("head float32 × 1031 on cpu: torch kernel")
    assert "needs a GPU" in text
