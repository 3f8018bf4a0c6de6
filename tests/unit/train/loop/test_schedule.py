import pytest

from embedge.train.loop.schedule import rate_at


def test_warm_up_then_down_to_a_hundredth():
    rates = [rate_at(step, 100, 10, "cosine") for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.01)


def test_no_warm_up_starts_at_the_peak():
    assert rate_at(0, 10, 0, "cosine") == pytest.approx(1.0)
