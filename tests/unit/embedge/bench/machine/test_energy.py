"""Energy sensors, read from made-up sysfs trees with known physics."""

import os
import time
from pathlib import Path

import pytest

from embedge.bench.machine.energy import EnergyMeter, energy_per_call


def rapl(sys: Path, microjoules: int, limit: int = 10**9) -> Path:
    zone = sys / "class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text(str(microjoules))
    (zone / "max_energy_range_uj").write_text(str(limit - 1))
    (zone / "intel-rapl:0:0").mkdir()  # a part of the package: not counted twice
    return zone / "energy_uj"


def jetson(sys: Path, millivolts: int, milliamperes: int) -> None:
    chip = sys / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    chip.mkdir(parents=True)
    (chip / "in1_label").write_text("VDD_IN\n")
    (chip / "in1_input").write_text(str(millivolts))
    (chip / "curr1_input").write_text(str(milliamperes))


def test_without_sensors_there_is_no_meter(tmp_path: Path) -> None:
    assert EnergyMeter.found(tmp_path) is None
    assert energy_per_call(lambda _: None, seconds=0.01, meter=None) is None


def test_a_counter_is_a_difference(tmp_path: Path) -> None:
    counter = rapl(tmp_path, 5_000_000)
    meter = EnergyMeter.found(tmp_path)
    assert meter is not None
    with meter:
        counter.write_text("8500000")
    assert meter.joules == {"rapl package-0": 3.5}


def test_a_counter_that_wraps_around_loses_nothing(tmp_path: Path) -> None:
    counter = rapl(tmp_path, 999_000_000, limit=10**9)
    meter = EnergyMeter.found(tmp_path)
    assert meter is not None
    with meter:
        counter.write_text("2000000")
    assert meter.joules["rapl package-0"] == pytest.approx(3.0)


def test_power_is_summed_over_time(tmp_path: Path) -> None:
    jetson(tmp_path, 5000, 2000)  # 10 W
    meter = EnergyMeter.found(tmp_path)
    assert meter is not None
    with meter:
        time.sleep(0.3)
    assert meter.joules["VDD_IN"] == pytest.approx(10 * meter.seconds, rel=0.05)


def test_energy_beyond_idle_is_told_apart(tmp_path: Path) -> None:
    jetson(tmp_path, 5000, 1000)  # 5 W, busy or not
    found = energy_per_call(
        lambda _: time.sleep(0.01), seconds=0.4, meter=EnergyMeter.found(tmp_path)
    )
    assert found is not None
    told = found["VDD_IN"]
    assert told.idle_watts == pytest.approx(5, rel=0.05)
    # 5 W over the 0.4 s asked for, or longer where others hold the processor
    assert 5 * 0.2 < told.joules_per_call * told.calls < 5 * 4
    assert abs(told.above_idle) < 0.1 * told.joules_per_call


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_sensor_that_is_closed_to_us_is_no_sensor(tmp_path: Path) -> None:
    rapl(tmp_path, 1).chmod(0)
    assert EnergyMeter.found(tmp_path) is None
