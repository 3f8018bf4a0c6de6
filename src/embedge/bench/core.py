"""The measuring loop. It knows callables, never models: several subjects, interleaved rounds.

Rounds interleave the subjects so that whatever drifts (heat, frequency, a neighbour) meets all of
them alike. A round during which others used the processor is thrown away and repeated, as long as
the budget lasts; what had to be kept is flagged, never passed off as quiet.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

from embedge.bench.machine.pressure import Load, LoadMeter
from embedge.bench.results import ArtifactLatency

__all__ = ["Measured", "Timed", "single_stream"]

ROUNDS = 5
_WARM_UP_CALLS = 3
_WARM_UP_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Timed:
    """Something to call: `call(i)` answers the i-th query and returns when it is answered."""

    name: str
    call: Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of every call that counts, and how quiet the rounds were."""

    name: str
    milliseconds: list[float]
    rounds: int
    rejected: int
    flagged: int
    loads: list[Load]

    @property
    def other_cores(self) -> float | None:
        """What others used of the processor meanwhile, where the system tells."""
        others = [load.others for load in self.loads if load.others is not None]
        return round(fmean(others), 3) if others else None

    def row(self, artifact: str, provider: str, *, threads: int, batch: int = 1) -> ArtifactLatency:
        """As a report tells it."""
        return ArtifactLatency.of(
            self.milliseconds,
            artifact=artifact,
            threads=threads,
            batch=batch,
            provider=provider,
            rounds=self.rounds,
            rejected=self.rejected,
            flagged=self.flagged,
            other_cores=self.other_cores,
        )


@dataclass(frozen=True, slots=True)
class _Round:
    milliseconds: list[list[float]]  # one list per subject
    loads: list[Load]

    @property
    def busy(self) -> bool:
        return any(load.busy for load in self.loads)


def single_stream(
    subjects: Sequence[Timed],
    *,
    seconds: float,
    rounds: int = ROUNDS,
    repeats: float = 1.0,
    on_round: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """One query at a time, the next when the last is answered; about `seconds` in all.

    Busy rounds are repeated for at most `repeats` × `seconds` more. `on_round` is told of each
    finished round, between the timings.
    """
    share = seconds / (1 + _WARM_UP_SHARE) / (rounds * len(subjects))
    for subject in subjects:
        _warm_up(subject, rounds * share * _WARM_UP_SHARE)
    quiet: list[_Round] = []
    busy: list[_Round] = []
    allowed = rounds + int(rounds * repeats)
    while len(quiet) < rounds and len(quiet) + len(busy) < allowed:
        done = _one_round(subjects, share, first=len(quiet) + len(busy))
        (busy if done.busy else quiet).append(done)
        on_round()
    return _collected(subjects, quiet, busy, rounds)


def _collected(
    subjects: Sequence[Timed], quiet: list[_Round], busy: list[_Round], rounds: int
) -> list[Measured]:
    """Quiet rounds only where half of them were quiet; otherwise the calmest, flagged."""
    missing = 0 if 2 * len(quiet) >= rounds else rounds - len(quiet)
    calmest = sorted(busy, key=lambda one: max(load.others or 0 for load in one.loads))
    kept = [*quiet, *calmest[:missing]]
    return [
        Measured(
            name=subject.name,
            milliseconds=[value for one in kept for value in one.milliseconds[index]],
            rounds=len(kept),
            rejected=len(busy) - min(missing, len(busy)),
            flagged=min(missing, len(busy)),
            loads=[one.loads[index] for one in kept],
        )
        for index, subject in enumerate(subjects)
    ]


def _one_round(subjects: Sequence[Timed], seconds: float, *, first: int) -> _Round:
    """Every subject for `seconds`, starting with another one each round."""
    count = len(subjects)
    milliseconds: list[list[float]] = [[] for _ in subjects]
    loads: dict[int, Load] = {}
    for step in range(count):
        index = (first + step) % count
        meter = LoadMeter()
        milliseconds[index] = timed(subjects[index].call, seconds)
        loads[index] = meter.stop()
    return _Round(milliseconds, [loads[index] for index in range(count)])


def timed(call: Callable[[int], object], seconds: float) -> list[float]:
    """Call until `seconds` have passed, at least once; milliseconds of each call."""
    clock = time.perf_counter
    taken: list[float] = []
    with without_collector():
        begin = now = clock()
        while now - begin < seconds or not taken:
            call(len(taken))
            after = clock()
            taken.append(1e3 * (after - now))
            now = after
    return taken


def _warm_up(subject: Timed, seconds: float) -> None:
    begin = time.perf_counter()
    done = 0
    while done < _WARM_UP_CALLS or time.perf_counter() - begin < seconds:
        subject.call(done)
        done += 1


@contextmanager
def without_collector() -> Iterator[None]:
    """Python's garbage collector pauses when it likes; keep it out of the timings."""
    was_enabled = gc.isenabled()
    gc.collect(0)  # what is old stays: going through all of it took longer than many a timing
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
