"""TensorRT's progress callbacks -> one number between 0 and 1 and a phase name."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["Progress", "attach_progress"]

Progress = Callable[[float, str], None]


def attach_progress(trt: ModuleType, config: Any, report: Progress | None) -> Any:
    """The monitor, or None: only TensorRT 10 and newer tell how far a build is."""
    if report is None or not hasattr(config, "progress_monitor"):
        return None
    config.progress_monitor = monitor = _monitor(trt, report)
    return monitor


@dataclass(slots=True)
class _Phase:
    """A phase covers [start, start + share] of the whole build, in `steps` equal steps."""

    start: float
    share: float
    steps: int
    done: int = 0

    def at(self, step: int) -> float:
        return self.start + self.share * step / self.steps


def _monitor(trt: ModuleType, report: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped = False
            self.furthest = 0.0
            self.phases = {"": _Phase(0.0, 1.0, 1)}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            parent = self.phases.get(parent_phase or "", self.phases[""])
            share = parent.share / parent.steps
            self.phases[phase_name] = _Phase(parent.at(parent.done), share, max(num_steps, 1))

        def step_complete(self, phase_name: str, step: int) -> bool:
            phase = self.phases.get(phase_name, self.phases[""])
            phase.done = min(step + 1, phase.steps)
            self._tell(phase.at(phase.done), phase_name)
            return not self.stopped

        def phase_finish(self, phase_name: str) -> None:
            phase = self.phases.pop(phase_name, self.phases[""])
            self._tell(phase.start + phase.share, phase_name)

        def _tell(self, fraction: float, phase: str) -> None:
            self.furthest = min(max(self.furthest, fraction), 1.0)  # phases may share a name
            try:
                report(self.furthest, phase)
            except KeyboardInterrupt:  # an exception may not cross TensorRT's C++ frames
                self.stopped = True

    return Monitor()
