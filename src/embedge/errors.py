"""Errors a user can cause: what happened, where, and how to fix it.

Every error carries a stable code. The codes are listed in `docs/reference/errors.md`,
and a test keeps that list complete.
"""

import functools
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from types import CodeType
from typing import TypeVar

from embedge.printed import printable

__all__ = ["EmbedgeError", "GateFailed", "Passing", "ours"]

Kinds = TypeVar("Kinds", bound=type[Exception] | tuple[type[Exception], ...])


class EmbedgeError(Exception):
    """One clear sentence, the place, the remedy. The command line prints it and exits with 2."""

    exit_code = 2

    def __init__(self, code: str, what: str, *, remedy: str, where: str | Path | None = None):
        self.code = code
        self.what = what
        self.where = str(where) if where is not None else None
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" ({printable(self.where)})" if self.where else ""
        return f"{self.code}: {self.what}{place}. {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.what, self.remedy, self.where)


class GateFailed(EmbedgeError):
    """The work is done and written down, but a bound of the report was missed: exit code 3."""

    exit_code = 3


def _rebuild(
    kind: type[EmbedgeError], code: str, what: str, remedy: str, where: str | None
) -> EmbedgeError:
    return kind(code, what, remedy=remedy, where=where)


def ours(kinds: Kinds) -> Kinds:
    """In an `except`: these, unless a signal's handler raised it (a deadline's, a worker's).

    Such an exception says nothing of what it came in the midst of, and belongs to whoever set it.
    """
    error = sys.exception()
    return () if error is not None and _is_a_handlers(error) else kinds  # type: ignore[return-value]


class Passing(suppress):
    """`suppress`, but never what a signal's handler raised."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *more: object
    ) -> bool:
        if error is not None and _is_a_handlers(error):
            return False
        return bool(super().__exit__(kind, error, *more))  # type: ignore[arg-type]


def _is_a_handlers(error: BaseException) -> bool:
    if type(error) is TimeoutError and error.errno is None:
        return True  # of an alarm that was thrown into the thread: a system's own has a number
    frames = {frame.f_code for frame, _ in walk_tb(error.__traceback__)}
    return len(frames) > 1 and not frames.isdisjoint(_handlers())


def _handlers() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        while isinstance(handler, functools.partial):
            handler = handler.func
        for each in (handler, type(handler).__call__ if callable(handler) else None):
            if isinstance(code := getattr(each, "__code__", None), CodeType):
                yield code
