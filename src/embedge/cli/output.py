"""What a command prints fits any terminal; where it cannot be written one sentence says so."""

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

from embedge.errors import EmbedgeError

__all__ = ["STOPPED", "accept_every_letter", "ended", "system_error"]

STOPPED = "\nembedge: stopped; whatever was finished is kept"


def accept_every_letter() -> None:
    """Letters that the locale lacks are shown as escapes instead of ending the command.

    Without an output (`>&-`) there is no command: its result would be lost, and the next file that
    it opens would stand where the output was.
    """
    if sys.stderr is None:  # `2>&-`: print would write to the output instead
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open to the end of the process
    if sys.stdout is None:
        raise SystemExit(ended(2, f"embedge: {_unwritable('it is closed')}"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a test may have put something of its own there
            stream.reconfigure(errors="backslashreplace")


def ended(status: int, line: str | None = None) -> int:
    """The status of a command, after its last words.

    Python flushes at its end and would complain of what nobody can read any more.
    """
    with suppress(OSError):
        if line is not None:
            print(line, file=sys.stderr, flush=True)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            _to_nowhere(stream)
    return status


def system_error(error: OSError) -> EmbedgeError:
    """What the operating system refused, for a file or, where none is named, for the output."""
    why = error.strerror or str(error)
    if error.filename is None and error.errno in (
        errno.ENOSPC,
        errno.EIO,
        errno.EBADF,
        errno.EFBIG,
    ):
        return _unwritable(why)
    return EmbedgeError(
        "E-SYSTEM",
        f"the system refused: {why}",
        where=error.filename,
        remedy="Check the path, its permissions and the space; --debug shows where it happened",
    )


def _unwritable(why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-WRITE",
        f"cannot write the output: {why}",
        remedy="Free some space, or send the output elsewhere",
    )


def _to_nowhere(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
