"""A training as a table that grows on the terminal: a bar, and the last rows of its curves."""

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

__all__ = ["LiveTable"]

_ROWS = 8


class LiveTable:
    """Shown while the `with` block runs; leaves the last rows behind."""

    def __init__(self, what: str, total: int, done: int = 0, *, console: Console | None = None):
        self._bars = Progress(
            TextColumn("  {task.description:<26}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._bar = self._bars.add_task(what, total=total, completed=done)
        self._columns: list[str] = []
        self._rows: deque[dict[str, str]] = deque(maxlen=_ROWS)
        self._live = Live(self._drawn(), console=console or Console(stderr=True))

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def advance(self, steps: int = 1, note: str = "") -> None:  # noqa: ARG002
        """What a note says stands in the table already."""
        self._bars.update(self._bar, advance=steps)

    def row(self, values: dict[str, str]) -> None:
        """One more row; a name that is new becomes a column."""
        self._columns += [name for name in values if name not in self._columns]
        self._rows.append(values)
        self._live.update(self._drawn())

    def _drawn(self) -> Group:
        table = Table(box=None, padding=(0, 2), pad_edge=True)
        for name in self._columns:
            table.add_column(name, justify="right")
        for values in self._rows:
            table.add_row(*(values.get(name, "") for name in self._columns))
        return Group(self._bars, table)
