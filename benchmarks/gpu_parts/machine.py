"""The device itself: what it is, what it reaches at most, and the tests that only it can run."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gpu_parts.sizes import Sizes

ROOT = Path(__file__).parents[2]
_KERNEL = "tests/unit/train/head/triton/test_triton.py"


def device(sizes: Sizes) -> dict[str, Any]:
    """Its name, and the ceilings that the other parts are held against."""
    kind = torch.bfloat16 if sizes.amp == "bf16" else torch.float32
    left = torch.randn(sizes.side, sizes.side, device=sizes.device, dtype=kind)
    seconds = timed(lambda: left @ left, sizes)
    block = torch.empty(sizes.side * sizes.side * 4, device=sizes.device, dtype=torch.uint8)
    copied = timed(lambda: block.clone(), sizes)
    return {
        "name": torch.cuda.get_device_name() if sizes.device == "cuda" else "the processor",
        "capability": torch.cuda.get_device_capability() if sizes.device == "cuda" else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "matmul_flops": 2 * sizes.side**3 / seconds,
        "memory_bytes_per_second": 2 * len(block) / copied,
    }


def suite(_: Sizes) -> dict[str, Any]:
    """Without a GPU all of them are skipped, and that is what comes out."""
    options = ["-q", "-m", "gpu", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, "tests/gpu", _KERNEL]
    environment = {**os.environ, "EMBEDGE_GPU_SECONDS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    told = done.stdout.strip().splitlines()[-1:] or [done.stderr[-300:]]
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (\w+)", told[0])}
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    if failed or done.returncode not in (0, 5):
        raise RuntimeError(f"{told[0]}: {failed}")
    found = {"counts": counts, "said": told[0]}
    return found if counts.get("passed") else {**found, "skipped": "no test ran"}


def timed(work: Callable[[], object], sizes: Sizes) -> float:
    """Median seconds, the device waited for, after three for warmth."""
    took = []
    for turn in range(3 + sizes.repeats):
        wait(sizes)
        began = time.perf_counter()
        work()
        wait(sizes)
        if turn >= 3:
            took.append(time.perf_counter() - began)
    return sorted(took)[len(took) // 2]


def wait(sizes: Sizes) -> None:
    if sizes.device == "cuda":
        torch.cuda.synchronize()
