"""Recording against a driver of Python functions; the real interface is in tests/gpu."""

import ctypes
from typing import Any

import pytest

from embedge.runtime.encoders.tensorrt.cuda import graphs
from embedge.runtime.encoders.tensorrt.cuda.failures import CudaFailure
from embedge.runtime.encoders.tensorrt.cuda.graphs import captured


class Driver:
    def __init__(self, **failing: int) -> None:
        self.calls: list[str] = []
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        def call(*_: object) -> int:
            self.calls.append(name)
            return self._failing.get(name, 0)

        return call


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: made)
    assert graphs.ctypes.CDLL("x") is made
    return made


def test_work_is_recorded_once_and_launched_by_one_call(driver: Driver) -> None:
    done: list[int] = []
    graph = captured(lambda: done.append(1), 7)
    graph.launch(7)
    graph.launch(7)
    graph.close()
    assert done == [1]
    assert driver.calls == [
        *("cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"),
        *("cuGraphDestroy", "cuGraphLaunch", "cuGraphLaunch", "cuGraphExecDestroy"),
    ]


def test_work_that_fails_does_not_leave_the_capture_open(driver: Driver) -> None:
    def work() -> None:
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        captured(work, 7)
    assert driver.calls[-1] == "cuStreamEndCapture"


@pytest.mark.parametrize("call", ["cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags"])
def test_a_bad_status_is_an_error_and_the_graph_is_given_back(
    monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    driver = Driver(**{call: 900})
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    with pytest.raises(CudaFailure, match=call):
        captured(lambda: None, 7)
    assert ("cuGraphDestroy" in driver.calls) == (call == "cuGraphInstantiateWithFlags")
