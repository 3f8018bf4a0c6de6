"""What only a machine with an NVIDIA GPU can show: python -m pytest tests/gpu -rs

What was seen is written to benchmarks/results (or EMBEDGE_GPU_RESULTS), to be committed.
"""

import datetime
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedge.bench.machine.tegrastats import power_mode
from embedge.doctor import machine_facts
from embedge.files import write_json
from embedge.runtime.encoders.tensorrt.cuda.driver import cuda_driver

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks/results"
Seen = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def seen() -> Iterator[Seen]:
    """Figures by name; written down with their provenance when the session ends."""
    figures: Seen = {}
    yield figures
    if not figures:
        return
    device = cuda_driver().devices[0].name
    folder = Path(os.environ.get("EMBEDGE_GPU_RESULTS", RESULTS))
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    provenance = {
        "command": "python -m pytest " + " ".join(sys.argv[1:]),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "power_mode": power_mode(),
        "machine": machine_facts().to_json(),
    }
    write_json(folder / f"gpu-{slug}.json", {"provenance": provenance, "seen": figures})


@pytest.fixture(scope="session")
def seconds() -> float:
    """How long a latency is measured."""
    return float(os.environ.get("EMBEDGE_GPU_SECONDS", "5"))


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Rendered faces: aligned, uint8, of people who do not exist."""
    from embedge.train.render import FaceRenderer

    numbers = np.arange(16)
    return FaceRenderer(seed=6).render(numbers, numbers).images
