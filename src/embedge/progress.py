"""Progress of everything that takes longer than a glance: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Protocol

from embedge.printed import spoken

__all__ = ["Progress", "TableTask", "Task"]

_SECONDS_BETWEEN_LINES = 15.0


class Task(Protocol):
    """One running piece of work."""

    def advance(self, steps: int = 1, note: str = "") -> None: ...


class TableTask(Task, Protocol):
    """One that has rows of figures to show where there is a table for them."""

    def row(self, values: dict[str, str]) -> None: ...


class Progress:
    """Where a command tells the user what it is doing. Quiet prints nothing but warnings."""

    def __init__(self, *, quiet: bool = False):
        self.quiet = quiet
        # a device may have no rich: lines then, also on a terminal
        self.terminal = not quiet and sys.stderr.isatty() and find_spec("rich") is not None

    def say(self, text: str) -> None:
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, what: str, total: int, done: int = 0) -> Iterator[Task]:
        """Show `what` going from `done` to `total`."""
        if not self.terminal:
            yield _Lines(self, what, total, done)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("  {task.description:<26}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            handle = bars.add_task(what, total=total, completed=done, note="")
            yield _Bar(bars, handle)

    @contextmanager
    def table(self, what: str, total: int, done: int = 0) -> Iterator[TableTask]:
        """Show a training: on a terminal its figures in a table that grows, elsewhere lines."""
        if not self.terminal:
            yield _Lines(self, what, total, done)
            return
        from embedge.live import LiveTable

        with LiveTable(what, total, done) as table:
            yield table


class _Bar:
    def __init__(self, bars: "object", handle: int):
        self._bars = bars
        self._handle = handle

    def advance(self, steps: int = 1, note: str = "") -> None:
        fields = {"note": note} if note else {}
        self._bars.update(self._handle, advance=steps, **fields)  # type: ignore[attr-defined]


class _Lines:
    """A line every few seconds, so that a log stays readable."""

    def __init__(self, progress: Progress, what: str, total: int, done: int):
        self._progress, self._what, self._total = progress, what, total
        self._first = self._done = done
        self._began = self._spoke = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now = time.monotonic()
        if now - self._spoke < _SECONDS_BETWEEN_LINES:
            return
        self._spoke = now
        pace = (now - self._began) / max(1, self._done - self._first)
        more = self._total - self._done  # below zero where it takes more than was foreseen
        left = f"/{self._total}, about {spoken(pace * more)} left" if more >= 0 else ""
        note = f", {note}" if note else ""
        self._progress.say(f"  {self._what}: {self._done}{left}{note}")

    def row(self, values: dict[str, str]) -> None:
        """Rows are for tables: the note of `advance` says what a log needs."""
