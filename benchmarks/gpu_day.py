"""Everything that only a GPU can show, in eight minutes on one of them, without a network.

    python benchmarks/gpu_day.py [--cpu] [--only PART …] [--out FILE] [--seconds 470]

Each part runs in a process of its own, so that no failure takes another with it, and the file is
written after each of them. --cpu runs every part as small as it gets on the processor: that shows
that the script runs, and no figure of it means anything.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpu_parts import PARTS
from gpu_parts.sizes import SIZES
from provenance import RESULTS, provenance

from embedge.files import write_json


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", action="store_true", help="as small as it gets, without a GPU")
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), help="these parts")
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu_day.json")
    parser.add_argument("--seconds", type=float, default=470.0, help="for all of it")
    parser.add_argument("--part", choices=sorted(PARTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = "cpu" if options.cpu else "cuda"
    if options.part:
        return _one(options.part, device, options.out)
    return _all(options, device)


def _all(options: argparse.Namespace, device: str) -> int:
    packages = ("torch", "triton", "onnxruntime", "onnxruntime-gpu", "pycuda", "cuda-bindings")
    told: dict[str, Any] = {"provenance": provenance(*packages), "device": device, "parts": {}}
    end = time.monotonic() + options.seconds
    for name in options.only or PARTS:
        left = end - time.monotonic()
        told["parts"][name] = found = _apart(name, device, left)
        write_json(options.out, told)
        print(f"{name:<12} {found['state']:<8} {found['seconds']:>6.1f} s  {PARTS[name].says}")
    print(f"written: {options.out}")
    return 0 if all(part["state"] in ("done", "skipped") for part in told["parts"].values()) else 1


def _apart(name: str, device: str, left: float) -> dict[str, Any]:
    """The part in its own process, ended when its time or all time is over."""
    if left <= 0:
        return {"state": "no time", "seconds": 0.0}
    limit = min(left, PARTS[name].seconds) if device == "cuda" else left
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, __file__, "--part", name, "--out", str(out)]
        command += ["--cpu"] if device == "cpu" else []
        said = ran_within(command, limit)
        seconds = round(time.monotonic() - began, 1)
        if out.is_file():
            return {**json.loads(out.read_text()), "seconds": seconds}
    return {"state": "failed", "why": said, "seconds": seconds}


def ran_within(command: list[str], limit: float) -> str:
    """What it said last; past the limit it is ended with all that it started, which would hold the
    device against the next part."""
    held = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, text=True, **held) as started:
        try:
            return started.communicate(timeout=limit)[1][-1500:]
        except subprocess.TimeoutExpired:
            return f"not done after {limit:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


def _one(name: str, device: str, out: Path) -> int:
    try:
        work = PARTS[name].work(SIZES[device])
        found = {"state": "skipped" if "skipped" in work else "done", "found": work}
    except Exception:  # whatever it is, it is what this part has to tell
        found = {"state": "failed", "why": traceback.format_exc()[-1500:]}
    write_json(out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
