"""TensorRT's nested phases become one number that only rises."""

from types import SimpleNamespace
from typing import Any

import pytest

from embedge.export.engines.tensorrt.progress import attach_progress

TRT: Any = SimpleNamespace(IProgressMonitor=type("IProgressMonitor", (), {}))


@pytest.fixture
def config() -> SimpleNamespace:
    return SimpleNamespace(progress_monitor=None)


def test_a_phase_takes_its_share_of_the_parents_step(config: SimpleNamespace) -> None:
    told = []
    monitor = attach_progress(TRT, config, lambda share, phase: told.append((share, phase)))
    assert config.progress_monitor is monitor
    monitor.phase_start("build", None, 2)
    monitor.phase_start("tactics", "build", 4)
    assert all(monitor.step_complete("tactics", step) for step in range(4))
    monitor.phase_finish("tactics")
    monitor.step_complete("build", 0)
    monitor.phase_finish("build")
    shares = [share for share, _ in told]
    assert shares[:4] == [0.125, 0.25, 0.375, 0.5]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert told[0][1] == "tactics"


def test_an_interrupt_stops_the_builder_instead_of_crossing_it(config: SimpleNamespace) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monitor = attach_progress(TRT, config, interrupted)
    monitor.phase_start("build", None, 2)
    assert monitor.step_complete("build", 0) is False
    assert monitor.stopped


def test_older_tensorrt_tells_nothing() -> None:
    assert attach_progress(TRT, SimpleNamespace(), print) is None
