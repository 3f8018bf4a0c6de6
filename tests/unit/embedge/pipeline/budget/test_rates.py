"""Every rate says whether somebody measured it, published it, or assumes it."""

from embedge.pipeline.budget.rates import GPUS, RATES
from embedge.train.head.machine import PUBLISHED


def test_every_rate_has_a_source_of_a_known_kind() -> None:
    for name, rate in RATES.items():
        assert rate.value > 0, name
        assert rate.source.split()[0].rstrip(":,.;") in ("measured", "published", "assumed"), name


def test_they_are_told_as_one_would_say_them() -> None:
    told = {name: rate.told for name, rate in RATES.items()}
    assert told["launch"] == "6 µs a kernel"
    assert told["context"] == "1.5 GiB a GPU"
    assert told["compute"] == "30 GFLOP/s a core"
    assert told["decode"] == "2,145 faces/s a core"
    assert told["record"] == "5,000 bytes a picture"
    assert told["head"] == "60 % of the peak"


def test_shares_are_shares() -> None:
    for name, rate in RATES.items():
        if rate.unit.startswith("of the"):
            assert 0 < rate.value < 1, name


def test_gpus_are_those_that_a_head_is_planned_for() -> None:
    assert GPUS.keys() == PUBLISHED.keys()
    assert round(GPUS["h200"].peak / 1e12) == 989
    assert GPUS["h200"].bandwidth > GPUS["h100"].bandwidth > GPUS["l4"].bandwidth
