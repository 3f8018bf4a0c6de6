import errno
import os
import subprocess
import sys

import pytest

from embedge.cli.output import system_error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EBADF])
def test_output_that_cannot_be_written(number: int) -> None:
    error = system_error(OSError(number, os.strerror(number)))
    assert (error.code, error.where) == ("E-WRITE", None)
    assert os.strerror(number) in error.what


def test_a_file_that_the_system_refuses_is_named() -> None:
    error = system_error(PermissionError(errno.EACCES, "Permission denied", "a\nb"))
    assert (error.code, error.where) == ("E-SYSTEM", "a\nb")
    assert "\n" not in str(error)


def test_nothing_is_left_for_python_to_complain_of_at_its_end() -> None:
    code = "import sys; from embedge.cli.output import ended; print('x' * 9); sys.exit(ended(3))"
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, not a file
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize(
    ("command", "closed", "status", "told"),
    [
        ("embedge --version", ">&-", 2, "embedge: E-WRITE: cannot write the output: it is closed"),
        ("embedge verify x a b --exit-status", ">&-", 2, "embedge: E-WRITE: "),
        ("embedge verify x a b --exit-status", ">&- 2>&-", 2, ""),
        ("embedge verify x a b", "2>&-", 2, ""),
        ("embedge --version", "2>&-", 0, ""),
    ],
)
def test_a_closed_output_is_a_mistake_and_no_decision(
    command: str, closed: str, status: int, told: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m {command} {closed}'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == bool(told)
    assert bool(done.stdout) == (status == 0)
