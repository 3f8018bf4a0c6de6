"""Every rate says whether somebody measured it, published it, or assumes it."""

from embedge.pipeline.budget.rates import GPUS, RATES
from embedge.train.head.machine import PUBLISHED


def test_every_rate_has_a_source_of_a_known_kind():
    for name, rate in RATES.items():
        assert rate.value > 0, name
        assert rate.source.split()[0].rstrip(":,.;") in ("measured", "published", "assumed"), name


def test_shares_are_shares():
    for name, rate in RATES.items():
        if rate.unit.startswith("of the"):
            assert 0 < rate.value < 1, name


def test_gpus_are_those_that_a_head_is_planned_for():
    assert GPUS.keys() == PUBLISHED.keys()
    assert round(GPUS["h200"].peak / 1e12) == 989
    assert GPUS["h200"].bandwidth > GPUS["h100"].bandwidth > GPUS["l4"].bandwidth
