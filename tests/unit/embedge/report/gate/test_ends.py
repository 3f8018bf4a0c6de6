"""A rate that is as large as its bound is within it, however it was computed."""

import pytest

from embedge.report.gate.ends import Estimate, gate_of_estimate
from embedge.report.gate.measurand import FLOAT, OWN, Measurand
from embedge.report.model import Gate

_LOSS = Measurand("tar-lost", "int8-cpu", against=FLOAT, fmr=0.01)


def _lost(kept: int, trials: int) -> Gate:
    """One in a hundred of them, by the difference of two TARs."""
    lost = (1 - kept / trials) - (1 - (kept + trials // 100) / trials)
    found = Estimate(lost, lost - 0.03, lost + 0.03, 50)
    return gate_of_estimate(_LOSS, "int8-cpu accuracy", "x", found, 0.01, "max", "points")


@pytest.mark.parametrize("trials", [100, 300, 700, 1000])
def test_one_point_is_within_one_point(trials: int) -> None:
    found = {
        (_lost(kept, trials).outcome, _lost(kept, trials).needs) for kept in range(trials // 2)
    }
    assert found == {("not shown", None)}


@pytest.mark.parametrize("kept", range(100))
def test_a_tar_as_large_as_its_bound_is_within_it(kept: int) -> None:
    rate = 1 - (100 - kept) / 100
    found = gate_of_estimate(
        Measurand("tar", key=OWN), "x", "x", Estimate(rate, rate, 1, 9), kept / 100, "min"
    )
    assert found.passed
