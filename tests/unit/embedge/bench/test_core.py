"""The loop interleaves, repeats disturbed rounds, and never passes a busy round off as quiet."""

import gc
import time
from itertools import groupby

import pytest
from fake_time import FakeTime

from embedge.bench import core
from embedge.bench.core import Measured, Timed, single_stream
from embedge.bench.machine.pressure import Load
from embedge.bench.results import ArtifactLatency


class Scripted:
    """Stands where the watch stands and tells the loads it was given, the last for ever."""

    def __init__(self, others: list[float | None]) -> None:
        self.others = others

    def __call__(self) -> "Scripted":
        return self

    def stop(self) -> Load:
        others = self.others.pop(0) if len(self.others) > 1 else self.others[0]
        return Load(seconds=1.0, own=1.0, others=others, waiting=0.0, loadavg=0.0)


def told(measured: Measured) -> ArtifactLatency:
    return measured.row(measured.name, "nothing", threads=1)


def sleeper(name: str, milliseconds: float, log: list[str] | None = None) -> Timed:
    def call(_: int) -> None:
        if log is not None:
            log.append(name)
        time.sleep(milliseconds / 1e3)

    return Timed(name, call)


def test_it_measures_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeTime()
    monkeypatch.setattr(core, "time", clock)
    monkeypatch.setattr(core, "LoadMeter", Scripted([0.0]))
    subjects = [Timed("fast", clock.taking(1)), Timed("slow", clock.taking(4))]
    begin = clock.now
    fast, slow = single_stream(subjects, seconds=6.0, rounds=3)
    assert told(fast).p99 == pytest.approx(1.0)
    assert told(slow).p50 == pytest.approx(4.0)
    assert told(fast).n == pytest.approx(4 * told(slow).n, rel=0.01)
    assert (fast.rounds, fast.rejected, fast.flagged) == (3, 0, 0)
    assert clock.now - begin == pytest.approx(6.0, rel=0.02)


def test_rounds_interleave_and_rotate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "LoadMeter", Scripted([0.0]))
    log: list[str] = []
    subjects = [sleeper(name, 1, log) for name in "abc"]
    single_stream(subjects, seconds=0.1, rounds=3)
    order = "".join(name for name, _ in groupby(log))
    assert order == "abc" + "abcbcacab"  # warm-up, then each round begins with the next subject


def test_a_disturbed_round_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "LoadMeter", Scripted([0.0, 0.9, 0.0]))
    (found,) = single_stream([sleeper("a", 1)], seconds=0.1, rounds=3)
    assert (found.rounds, found.rejected, found.flagged) == (3, 1, 0)
    assert all(load.others == 0.0 for load in found.loads)


def test_a_machine_that_stays_busy_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "LoadMeter", Scripted([0.8, 0.5, 0.9, 0.7, 0.6]))
    (found,) = single_stream([sleeper("a", 1)], seconds=0.05, rounds=2)
    assert (found.rounds, found.rejected, found.flagged) == (2, 2, 2)
    assert sorted(load.others or 0 for load in found.loads) == [0.5, 0.7]  # the calmest
    assert found.flagged == 2


def test_an_unknown_load_is_not_called_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "LoadMeter", Scripted([None]))
    (found,) = single_stream([sleeper("a", 1)], seconds=0.05, rounds=2)
    assert (found.rounds, found.flagged) == (2, 0)
    assert found.other_cores is None


def test_the_collector_is_back_after_a_failure() -> None:
    def broken(_: int) -> None:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError):
        core.timed(broken, 0.1)
    assert gc.isenabled()
