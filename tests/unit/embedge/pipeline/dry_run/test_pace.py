"""A step is timed warm; what compiling brings, or that it fails, is told."""

from pathlib import Path

import pytest

from embedge.pipeline.dry_run import pace as timing
from embedge.pipeline.dry_run.pace import Pace, Stopwatch
from embedge.pipeline.run import Training
from embedge.train.loop.schedule import Schedule
from embedge.train.models.compiling import UNCOMPILED

PLAIN, SLOW_TO_BEGIN = 2.0, 50.0


class Machine:
    """Opening takes ten seconds, the first step of a training fifty more, the last one saves."""

    def __init__(self, watch: Stopwatch, compiled: float = PLAIN, *, fails: bool = False) -> None:
        self.now, self.watch, self.compiled, self.fails = 0.0, watch, compiled, fails
        self.tried: list[Schedule] = []

    def trial(self, folder: Path, schedule: Schedule) -> None:
        assert folder.is_dir()
        self.tried.append(schedule)
        self.now += 10.0
        if schedule.compile and self.fails:
            self.watch.say(f"  {UNCOMPILED} (no compiler): the training goes on without")
        pace = self.compiled if schedule.compile and not self.fails else PLAIN
        with self.watch.table("any", schedule.steps) as task:
            for step in range(schedule.steps):
                self.now += pace + (SLOW_TO_BEGIN if step == 0 else 0.0)
                self.now += 30.0 if step == schedule.steps - 1 else 0.0
                task.advance()


def paced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine, **asked: object
) -> Pace:
    monkeypatch.setattr(timing.time, "perf_counter", lambda: machine.now)
    plan = Schedule().model_copy(update=asked)
    return Pace.of(Training(plan, machine.trial), tmp_path, machine.watch)


def test_what_is_paid_once_is_no_part_of_a_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(Stopwatch())
    found = paced(tmp_path, monkeypatch, machine)
    assert found.seconds == pytest.approx(PLAIN)
    assert found.about_compiling == "", "nobody asked for it"
    assert [one.steps for one in machine.tried] == [6]


@pytest.mark.parametrize(
    ("asked", "compiled", "says"),
    [
        ({"compile": True}, 1.0, "compiled, 2.00 times as fast as not"),
        ({"compile": True}, 2.5, "compiled, 0.80 times as fast as not: leave out train.compile"),
        ({"device": "cuda"}, 1.0, "compiled it would be 2.00 times as fast: train.compile true"),
        ({"device": "cuda"}, 2.0, "compiling would bring nothing"),
    ],
)
def test_what_compiling_brings_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, object],
    compiled: float,
    says: str,
) -> None:
    machine = Machine(Stopwatch(), compiled)
    found = paced(tmp_path, monkeypatch, machine, **asked)
    assert found.about_compiling == says
    assert found.seconds == pytest.approx(compiled if "compile" in asked else PLAIN)
    assert sorted(one.compile for one in machine.tried) == [False, True]


def test_where_it_fails_nothing_else_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(Stopwatch(), fails=True)
    found = paced(tmp_path, monkeypatch, machine, compile=True)
    assert found.about_compiling == f"{UNCOMPILED} (no compiler)"
    assert found.seconds == pytest.approx(PLAIN)


def test_where_there_is_nothing_to_try_no_time_is_told(tmp_path: Path) -> None:
    watch = Stopwatch()
    watch.steps = [1.0] * 6  # of another training
    training = Training(Schedule(device="cuda"), lambda folder, schedule: None)
    assert Pace.of(training, tmp_path, watch) == Pace(0.0, compiled=False)
