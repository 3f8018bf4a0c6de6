"""Load patterns against callables whose timing is known."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from fake_time import FakeTime

from embedge.bench import core, scenarios
from embedge.bench.scenarios import multi_stream, offline, server, sustained


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(core, "time", fake)
    monkeypatch.setattr(scenarios, "time", fake)
    return fake


def test_offline_counts_pictures_not_batches(clock: FakeTime) -> None:
    found = offline(clock.taking(50), batch=8, seconds=1.0)
    assert found.answered == 8 * len(found.milliseconds)
    assert found.images_per_s == pytest.approx(8 / 0.050)
    assert found.milliseconds == pytest.approx([50.0] * len(found.milliseconds))
    assert found.batch == 8


def test_streams_really_run_at_once() -> None:
    """Every call waits for a second one to be under way: one stream alone would hang."""
    meeting = threading.Barrier(2)
    found = multi_stream(bounded(meeting, 4), streams=2, seconds=0.3)
    assert found.streams == 2
    assert found.answered == len(found.milliseconds) >= 2


def bounded(meeting: threading.Barrier, most: int) -> Callable[[int], None]:
    """Meets `most` times, then lets everybody pass, so that the last one is not left alone."""
    calls = iter(range(10**9))

    def call(_: int) -> None:
        if next(calls) < most:
            try:
                meeting.wait(timeout=30)
            except threading.BrokenBarrierError:
                raise AssertionError("nobody else was under way") from None

    return call


def test_a_failing_stream_fails_the_measurement_with_its_own_error() -> None:
    def call(i: int) -> None:
        if i == 1:
            raise RuntimeError("the second door is broken")

    with pytest.raises(RuntimeError, match="second door"):
        multi_stream(call, streams=3, seconds=0.1)


def test_arrivals_are_poisson_and_repeatable() -> None:
    moments = np.array(scenarios._arrivals(50, 100, seed=3))
    gaps = np.diff(moments)
    assert len(moments) == pytest.approx(5000, rel=0.06)  # four standard deviations
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.06)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.08)  # exponential: equal
    assert moments.tolist() == scenarios._arrivals(50, 100, seed=3)
    assert len(scenarios._arrivals(0.001, 0.01, seed=0)) == 1


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_waiting_follows_queueing_theory(clock: FakeTime, load: float) -> None:
    """One worker with a fixed service time: mean wait is s·ρ / 2(1−ρ) (Pollaczek–Khinchine)."""
    service = 20.0
    found = server(clock.taking(service), rate=load * 1e3 / service, seconds=4000.0, seed=5)
    waited = np.mean(found.milliseconds) - service
    assert waited == pytest.approx(service * load / (2 * (1 - load)), rel=0.05)
    assert min(found.milliseconds) == pytest.approx(service)
    assert not found.overloaded


def test_too_many_arrivals_end_early_and_say_so(clock: FakeTime) -> None:
    begin = clock.now
    found = server(clock.taking(20), rate=500, seconds=2.0)
    assert found.overloaded
    assert clock.now - begin < 5


def test_sustained_sees_a_device_that_slows_down(clock: FakeTime) -> None:
    begin = clock.now
    found = sustained(
        lambda _: clock.sleep(0.004 if clock.now - begin < 6 else 0.016), seconds=12, windows=6
    )
    assert [one.p50 for one in found.windows or ()] == pytest.approx([4, 4, 4, 16, 16, 16])
    assert found.slowdown == pytest.approx(4.0)
    assert [one.at_s for one in found.windows or ()] == pytest.approx([2, 4, 6, 8, 10, 12], abs=0.1)
