"""Was the machine ours while we measured? Processor time that others took, as Linux counts it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from embedge.bench.results import Pressure

__all__ = ["BUSY", "Load", "LoadMeter"]

BUSY = 0.15  # of one core: above it, others are part of the measurement
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Load:
    """What happened between two looks: `others` is in cores, null where Linux is not the host."""

    seconds: float
    own: float
    others: float | None
    waiting: float | None
    loadavg: float | None

    @property
    def busy(self) -> bool:
        return self.others is not None and self.others > BUSY

    def told(self) -> Pressure:
        """As a report tells it."""
        return Pressure(
            round(self.seconds, 3),
            round(self.own, 3),
            None if self.others is None else round(self.others, 3),
            None if self.waiting is None else round(self.waiting, 4),
            self.loadavg,
        )


class _Look(NamedTuple):
    """Seconds since some beginning, None where the system does not tell."""

    clock: float
    own: float
    busy: float | None
    waiting: float | None
    loadavg: float | None


class LoadMeter:
    """Look now, and at `stop()` say what the processor did in between."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._start = self._look()

    def stop(self) -> Load:
        before, now = self._start, self._look()
        seconds = max(now.clock - before.clock, 1e-9)
        own = (now.own - before.own) / seconds
        others = waiting = None
        if now.busy is not None and before.busy is not None:
            others = max((now.busy - before.busy) / seconds - own, 0.0)
        if now.waiting is not None and before.waiting is not None:
            waiting = (now.waiting - before.waiting) / seconds
        return Load(seconds, own, others, waiting, now.loadavg)

    def _look(self) -> "_Look":
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        busy, waiting = self._busy_seconds(), self._waiting_seconds()
        return _Look(time.monotonic(), own, busy, waiting, self._loadavg())

    def _busy_seconds(self) -> float | None:
        """All processors, all processes, and what a hypervisor stole; without idle and I/O wait."""
        text = _read(self._proc / "stat")
        if text is None:
            return None
        ticks = [int(value) for value in text.splitlines()[0].split()[1:9]]
        user, nice, system, _, _, irq, softirq, stolen = ticks
        return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")

    def _waiting_seconds(self) -> float | None:
        """Time in which some runnable task had to wait for a processor (pressure stall)."""
        text = _read(self._proc / "pressure" / "cpu")
        if text is None:
            return None
        return int(text.splitlines()[0].rpartition("total=")[2]) / 1e6

    def _loadavg(self) -> float | None:
        text = _read(self._proc / "loadavg")
        return None if text is None else float(text.split()[0])


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:  # another system, or a kernel without it: recorded as unknown
        return None
