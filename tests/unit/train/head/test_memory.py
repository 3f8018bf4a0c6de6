"""Two million classes: what the loss needs beside its head, measured by the kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from pathlib import Path
import torch
from embedge.train.head import margin_ce
from embedge.train.head.margins import Margin

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

torch.set_num_threads(1)
def step(weight, labels):
    leaf = torch.randn(32, 8).requires_grad_()
    margin_ce(leaf, weight, labels, Margin(m2=0.5)).mean().backward()

step(torch.ones(4096, 8), torch.arange(32))  # library buffers are not the step's memory
weight = torch.nn.functional.normalize(torch.randn(2_059_906, 8))
labels = torch.arange(32) * 64_000
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
step(weight, labels)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc to measure with")
def test_the_stream_needs_under_two_percent_of_the_logits() -> None:
    # with these the C library hands large blocks back, so that nothing hides in its free lists
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env=os.environ | exact,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    logits = 32 * 2_059_906 * 4
    assert 0 < int(done.stdout) < 0.02 * logits
