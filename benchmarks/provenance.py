"""Where and with what a figure was measured."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

from embedge.errors import EmbedgeError
from embedge.files import write_json

RESULTS = Path(__file__).parent / "results"


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What a user can mend is one line here as everywhere."""
    if isinstance(error, EmbedgeError):
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _told


def provenance(*packages: str) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *map(_without_folder, sys.argv)]),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "versions": {name: _version(name) for name in ("embedge", "numpy", *packages)},
    }


def write_result(name: str, result: dict[str, Any]) -> Path:
    path = RESULTS / f"{name}.json"
    write_json(path, result)
    print(f"written: {path}")
    return path


def _without_folder(argument: str) -> str:
    """Where a file lies on this machine is nobody's business."""
    return Path(argument).name if argument.startswith("/") else argument


def _commit() -> str:
    """Of this code, wherever it is run from; figures that were just written do not change it."""
    named = _git("describe", "--always")
    changed = _git("status", "--porcelain", "-uno", "--", ":/", ":(top,exclude)benchmarks/results")
    return (named or "unknown") + ("-dirty" if changed else "")


def _git(*asked: str) -> str:
    told = subprocess.run(
        ["git", "-C", str(RESULTS.parent), *asked], capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
