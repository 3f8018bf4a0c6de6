"""A command as a process of its own, and one that runs in this process: it is there at once."""

import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from embedge.cli import main


def started(*words: object, cwd: Path | None = None, **variables: str) -> CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", *map(str, words)]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=500, env=environment
    )


def called(*words: object, cwd: Path | None = None, **variables: str) -> CompletedProcess[str]:
    arguments, out, err = list(map(str, words)), StringIO(), StringIO()
    with chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        try:
            with pytest.MonkeyPatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(name, value)
                status = main(arguments)
        except SystemExit as stop:  # what the parser refuses
            status = int(stop.code or 0)
    return CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
