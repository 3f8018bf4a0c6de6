"""Energy, where the board has a sensor: RAPL counters, INA3221 rails (Jetson), hwmon, batteries."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from embedge.bench.results import Energy

__all__ = ["EnergyMeter", "energy_per_call"]

_SYS = Path("/sys")
_SAMPLE_S = 0.05


@dataclass(frozen=True, slots=True)
class _Counter:
    """A sensor that counts energy itself; it wraps around at `limit` microjoules."""

    name: str
    path: Path
    limit: int

    def microjoules(self) -> int:
        return int(self.path.read_text())


@dataclass(frozen=True, slots=True)
class _Power:
    """A sensor that tells the present power, to be summed up over time."""

    name: str
    watts: Callable[[], float]


class EnergyMeter:
    """`with EnergyMeter.found() as meter:` … then `meter.joules` by sensor.

    `found()` is None where no sensor can be read. Sensors are not added up: one may contain
    another (the package the core, the board's input every rail).
    """

    def __init__(self, counters: list[_Counter], powers: list[_Power]) -> None:
        self._counters, self._powers = counters, powers
        self.joules: dict[str, float] = {}
        self.seconds = 0.0

    @classmethod
    def found(cls, sys: Path = _SYS) -> Self | None:
        counters = _rapl(sys)
        powers = [*_ina3221(sys), *_hwmon(sys), *_batteries(sys)]
        return cls(counters, powers) if counters or powers else None

    def __enter__(self) -> Self:
        self._before = [counter.microjoules() for counter in self._counters]
        self._summed = dict.fromkeys((power.name for power in self._powers), 0.0)
        self._watts = [power.watts() for power in self._powers]
        self._begin = self._last = time.monotonic()
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._sampler.join()
        # from here, not from the thread: how late it began or ended is no part of the sum
        self._add()
        self.seconds = self._last - self._begin
        self.joules = dict(self._summed)
        for counter, before in zip(self._counters, self._before):
            used = (counter.microjoules() - before) % counter.limit
            self.joules[counter.name] = used / 1e6

    def _sample(self) -> None:
        while self._powers and not self._stop.wait(_SAMPLE_S):
            self._add()

    def _add(self) -> None:
        """One trapezoid, from the sample before to the one of now."""
        now, fresh = time.monotonic(), [power.watts() for power in self._powers]
        for power, old, new in zip(self._powers, self._watts, fresh):
            self._summed[power.name] += (now - self._last) * (old + new) / 2
        self._last, self._watts = now, fresh


def energy_per_call(
    call: Callable[[int], object], *, seconds: float, meter: EnergyMeter | None
) -> dict[str, Energy] | None:
    """Joules a call by sensor, whole and beyond what the idle board takes in the same time."""
    if meter is None:
        return None
    with meter:
        time.sleep(seconds / 4)
    idle = {name: joules / meter.seconds for name, joules in meter.joules.items()}
    calls = 0
    with meter:
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            call(calls)
            calls += 1
    return {
        name: Energy(
            joules_per_call=joules / calls,
            above_idle=(joules - idle[name] * meter.seconds) / calls,
            idle_watts=idle[name],
            calls=calls,
        )
        for name, joules in meter.joules.items()
    }


def _rapl(sys: Path) -> list[_Counter]:
    """Whole packages and the platform; their parts would only repeat them."""
    counters = []
    for zone in sorted(sys.glob("class/powercap/intel-rapl:*")):
        energy, limit = zone / "energy_uj", zone / "max_energy_range_uj"
        if zone.name.count(":") == 1 and _readable(energy) and _readable(limit):
            name = f"rapl {(zone / 'name').read_text().strip()}"
            counters.append(_Counter(name, energy, int(limit.read_text()) + 1))
    return counters


def _ina3221(sys: Path) -> list[_Power]:
    """Jetson rails such as VDD_IN, the input of the whole board: millivolts times milliamperes."""
    rails = []
    for label in sorted(sys.glob("bus/i2c/drivers/ina3221/*/hwmon/hwmon*/in*_label")):
        number = label.name.removeprefix("in").removesuffix("_label")
        volts, amperes = (
            label.with_name(f"in{number}_input"),
            label.with_name(f"curr{number}_input"),
        )
        if _readable(volts) and _readable(amperes):
            rails.append(_Power(label.read_text().strip(), _product(volts, amperes, 1e-6)))
    return rails


def _hwmon(sys: Path) -> list[_Power]:
    found = []
    for power in sorted(sys.glob("class/hwmon/hwmon*/power*_input")):
        if _readable(power):
            chip = power.with_name("name")
            name = chip.read_text().strip() if _readable(chip) else power.parent.name
            found.append(
                _Power(f"{name} {power.name.removesuffix('_input')}", _scaled(power, 1e-6))
            )
    return found


def _batteries(sys: Path) -> list[_Power]:
    found = []
    for power in sorted(sys.glob("class/power_supply/*/power_now")):
        if _readable(power):
            found.append(_Power(f"battery {power.parent.name}", _scaled(power, 1e-6)))
    return found


def _scaled(path: Path, factor: float) -> Callable[[], float]:
    return lambda: factor * abs(int(path.read_text()))


def _product(one: Path, other: Path, factor: float) -> Callable[[], float]:
    return lambda: factor * int(one.read_text()) * int(other.read_text())


def _readable(path: Path) -> bool:
    """RAPL is there on most PCs and closed to all but root: then it is no sensor for us."""
    try:
        path.read_text()
    except OSError:
        return False
    return True
