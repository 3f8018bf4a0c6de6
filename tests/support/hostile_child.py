"""What a script of hostile inputs found, in a process of its own: its memory is nobody else's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from import_path import import_path

SUPPORT = Path(__file__).parent


def found_by(script: str, *arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, SUPPORT / script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": import_path(SUPPORT), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    print(*arguments, found)
    return found
