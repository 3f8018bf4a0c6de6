"""Load patterns beside one-at-a-time, after MLPerf's LoadGen: each one a question people ask.

multi-stream  several doors at once: how long does each wait?
offline       a pile of pictures: how many a second?
server        people arrive when they like (Poisson): how long from arrival to answer?
sustained     an hour of rush: does the device keep its pace when it gets warm?
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from embedge.bench.core import timed, without_collector
from embedge.bench.machine.facts import frequency_mhz, temperature_c
from embedge.bench.machine.pressure import Load, LoadMeter
from embedge.bench.results import Percentiles, Scenario, Window

__all__ = ["Outcome", "multi_stream", "offline", "server", "sustained"]

Call = Callable[[int], object]
Pattern = Literal["multi-stream", "offline", "server", "sustained"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`answered` pictures in `seconds`; `milliseconds` has one entry per query."""

    scenario: Pattern
    milliseconds: list[float]
    seconds: float
    answered: int
    pressure: Load
    batch: int | None = None
    streams: int | None = None
    load: float | None = None
    offered_per_s: float | None = None
    seed: int | None = None
    overloaded: bool | None = None
    windows: tuple[Window, ...] = ()
    slowdown: float | None = None

    @property
    def images_per_s(self) -> float:
        return self.answered / self.seconds

    def of(self, artifact: str, threads: int, provider: str) -> Scenario:
        """The row of a report: what was measured, and on what."""
        return Scenario(
            scenario=self.scenario,
            artifact=artifact,
            threads=threads,
            provider=provider,
            images_per_s=round(self.images_per_s, 3),
            latency=Percentiles.of(self.milliseconds),
            pressure=self.pressure.told(),
            batch=self.batch,
            streams=self.streams,
            load=self.load,
            offered_per_s=self.offered_per_s,
            seed=self.seed,
            overloaded=self.overloaded,
            windows=self.windows,
            slowdown=self.slowdown,
        )


def offline(call: Call, *, batch: int, seconds: float) -> Outcome:
    """`call(i)` answers one batch of `batch` pictures; the latency is that of a batch."""
    call(0)
    meter = LoadMeter()
    begin = time.perf_counter()
    taken = timed(call, seconds)
    spent = time.perf_counter() - begin
    return Outcome("offline", taken, spent, batch * len(taken), meter.stop(), batch=batch)


def multi_stream(call: Call, *, streams: int, seconds: float) -> Outcome:
    """`streams` callers at once, each asking again as soon as it is answered."""
    taken: list[list[float]] = [[] for _ in range(streams)]
    failures: list[BaseException] = []
    together = threading.Barrier(streams + 1)

    def stream(number: int) -> None:
        try:
            call(number)
            together.wait()
            taken[number] = timed(lambda i: call(number + i * streams), seconds)
        except BaseException as error:  # told to the caller below
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=stream, args=(number,)) for number in range(streams)]
    for thread in threads:
        thread.start()
    meter, spent = _until_joined(threads, together)
    if failures:
        raise next((one for one in failures if not _is_echo(one)), failures[0])
    merged = [value for values in taken for value in values]
    return Outcome("multi-stream", merged, spent, len(merged), meter.stop(), streams=streams)


def _until_joined(
    threads: list[threading.Thread], together: threading.Barrier
) -> tuple[LoadMeter, float]:
    with suppress(threading.BrokenBarrierError):  # a stream failed: the caller raises its error
        together.wait()
    meter, begin = LoadMeter(), time.perf_counter()
    for thread in threads:
        thread.join()
    return meter, time.perf_counter() - begin


def _is_echo(error: BaseException) -> bool:
    """The other streams only report that the barrier broke."""
    return isinstance(error, threading.BrokenBarrierError)


def server(call: Call, *, rate: float, seconds: float, seed: int = 0) -> Outcome:
    """One worker, arrivals at `rate` a second on average; the latency includes the queue.

    Latency counts from the moment a query was due, not from when the worker came round to it:
    otherwise a slow answer would hide the wait of everybody behind it. Once the queue is as long
    as the measurement itself it ends early, and `overloaded` says so.
    """
    due = _arrivals(rate, seconds, seed)
    call(0)
    taken: list[float] = []
    meter = LoadMeter()
    with without_collector():
        begin = time.perf_counter()
        for number, moment in enumerate(due):
            wait = begin + moment - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            call(number)
            taken.append(1e3 * (time.perf_counter() - begin - moment))
            if taken[-1] > 1e3 * seconds:
                break
        spent = time.perf_counter() - begin
    return Outcome(
        "server",
        taken,
        spent,
        len(taken),
        meter.stop(),
        offered_per_s=round(rate, 3),
        seed=seed,
        overloaded=len(taken) < len(due),
    )


def _arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Moments of a Poisson process, at least one."""
    random = np.random.default_rng(seed)
    gaps = random.exponential(1 / rate, size=max(int(2 * rate * seconds) + 20, 20))
    moments = np.cumsum(gaps)
    return [float(moment) for moment in moments[moments < seconds]] or [float(moments[0])]


def sustained(call: Call, *, seconds: float, windows: int = 10) -> Outcome:
    """Without pause; each window tells its median, the clock and the temperature.

    `slowdown` is the last window's median over the first's: 1.00 means that nothing throttled.
    """
    call(0)
    meter = LoadMeter()
    begin = time.perf_counter()
    told: list[Window] = []
    everything: list[float] = []
    for values in _windows(call, seconds / windows, windows):
        everything += values
        told.append(
            Window(
                at_s=round(time.perf_counter() - begin, 2),
                n=len(values),
                p50=round(median(values), 4),
                frequency_mhz=frequency_mhz(),
                temperature_c=temperature_c(),
            )
        )
    spent = time.perf_counter() - begin
    return Outcome(
        "sustained",
        everything,
        spent,
        len(everything),
        meter.stop(),
        windows=tuple(told),
        slowdown=round(told[-1].p50 / told[0].p50, 4),
    )


def _windows(call: Call, seconds: float, count: int) -> Iterator[list[float]]:
    for _ in range(count):
        yield timed(call, seconds)
