"""Cold start: from a bare interpreter to the first embedding, in processes of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from embedge.bench.results import ColdStart
from embedge.errors import EmbedgeError
from embedge.runtime.picture.images import RgbImage

__all__ = ["cold_start"]

_TIMES = ("interpreter_s", "import_s", "load_s", "first_s", "total_s")
_PATIENCE_S = 120.0


def cold_start(
    source: Path, crop: RgbImage, *, artifact: str | None = None, repeats: int = 3
) -> ColdStart:
    """Medians over `repeats` fresh processes, in seconds; files are in the page cache by then.

    `source` is a bundle or one ONNX file. `import` is everything up to a usable runtime, `load`
    verifies and parses the model, `first` is the first embedding of an aligned crop. Peak memory
    and threads are those of such a process at its end.
    """
    runs = [_fresh_process(source, crop, artifact) for _ in range(repeats)]
    return ColdStart(
        artifact=artifact,
        **{name: round(median(run[name] for run in runs), 4) for name in _TIMES},
        peak_rss_bytes=max(run["peak_rss_bytes"] for run in runs),
        threads=runs[-1]["threads"],
        provider=runs[-1]["provider"],
        repeats=repeats,
    )


def _fresh_process(source: Path, crop: RgbImage, artifact: str | None) -> dict[str, Any]:
    ask = {
        "source": str(source),
        "artifact": artifact,
        "shape": np.shape(crop),
        "asked_at": time.monotonic(),
    }
    child = subprocess.run(
        [sys.executable, "-m", "embedge.bench.cold.child", json.dumps(ask)],
        input=np.ascontiguousarray(crop).tobytes(),
        capture_output=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    if child.returncode:
        told = child.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise EmbedgeError(
            "E-BENCH-COLD",
            f"the fresh process that loads the model failed: {told[-1]}",
            where=source,
            remedy="Check the model with: embedge verify",
        )
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer
