"""What a bench found, typed from measurement to report; `to_json` gives the report's keys."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from embedge.bench.machine.pressure import Load
from embedge.bench.percentiles import Percentiles

__all__ = [
    "ArtifactLatency",
    "ColdStart",
    "Latency",
    "Machine",
    "Scenario",
    "SensorEnergy",
    "StageLatency",
    "Window",
]

Placement = Mapping[str, Mapping[str, int]]  # provider -> operator -> nodes


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that changes a latency and that the system tells without privileges."""

    name: str | None
    cpu: str
    cores: int
    memory_bytes: int
    system: str
    architecture: str
    python: str
    frequency_mhz: float | None
    governor: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ArtifactLatency:
    """One embedding, one caller at a time. `flagged` rounds ran while the machine was busy."""

    artifact: str
    threads: int
    provider: str
    percentiles: Percentiles
    rounds: int
    rejected: int
    flagged: int
    other_cores: float | None
    batch: int = 1

    def to_json(self) -> dict[str, Any]:
        return {
            "artifact": self.artifact,
            "threads": self.threads,
            "batch": self.batch,
            "provider": self.provider,
            **self.percentiles.to_json(),
            "rounds": self.rounds,
            "rejected": self.rejected,
            "flagged": self.flagged,
            "other_cores": self.other_cores,
        }


@dataclass(frozen=True, slots=True)
class StageLatency:
    """One stage of a verification, and its share of the whole."""

    stage: str
    percentiles: Percentiles
    share: float

    def to_json(self) -> dict[str, Any]:
        return {"stage": self.stage, **self.percentiles.to_json(), "share": self.share}


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Seconds from a bare interpreter to the first embedding: medians over `repeats` processes."""

    artifact: str | None
    interpreter_s: float
    import_s: float
    load_s: float
    first_s: float
    total_s: float
    peak_rss_bytes: int
    threads: int | None
    provider: str
    repeats: int

    def to_json(self) -> dict[str, Any]:
        return _told(asdict(self), "artifact")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a sustained run."""

    at_s: float
    n: int
    p50: float
    frequency_mhz: float | None
    temperature_c: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load pattern; what belongs to another pattern is None and is not told."""

    scenario: str
    artifact: str
    threads: int
    provider: str
    images_per_s: float
    latency: Percentiles
    pressure: Load
    batch: int | None = None
    streams: int | None = None
    load: float | None = None
    offered_per_s: float | None = None
    seed: int | None = None
    overloaded: bool | None = None
    windows: tuple[Window, ...] | None = None
    slowdown: float | None = None

    def to_json(self) -> dict[str, Any]:
        facts = {
            "batch": self.batch,
            "streams": self.streams,
            "offered_per_s": self.offered_per_s,
            "seed": self.seed,
            "overloaded": self.overloaded,
            "load": self.load,
            "windows": self.windows and [window.to_json() for window in self.windows],
            "slowdown": self.slowdown,
        }
        return {
            "artifact": self.artifact,
            "threads": self.threads,
            "provider": self.provider,
            "scenario": self.scenario,
            "images_per_s": self.images_per_s,
            "latency": self.latency.to_json(),
            "pressure": self.pressure.to_json(),
            **_told(facts, *facts),
        }


@dataclass(frozen=True, slots=True)
class SensorEnergy:
    """Joules a call, whole and beyond what the idle board takes in the same time."""

    joules_per_call: float
    above_idle: float
    idle_watts: float
    calls: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Latency:
    """What was measured on one machine. A field that was not measured is None."""

    machine: Machine
    verify: tuple[StageLatency, ...]
    verify_artifact: str
    cold_start: ColdStart
    peak_rss_bytes: int
    pressure: Load
    artifacts: tuple[ArtifactLatency, ...] | None = None
    scenarios: tuple[Scenario, ...] | None = None
    energy: Mapping[str, SensorEnergy] | None = None
    placement: Mapping[str, Placement] | None = None

    def to_json(self) -> dict[str, Any]:
        value = {
            "machine": self.machine.to_json(),
            "artifacts": _rows(self.artifacts),
            "scenarios": _rows(self.scenarios),
            "verify": [one.to_json() for one in self.verify],
            "verify_artifact": self.verify_artifact,
            "energy": _by_name(self.energy),
            "cold_start": self.cold_start.to_json(),
            "peak_rss_bytes": self.peak_rss_bytes,
            "pressure": self.pressure.to_json(),
            "placement": None if self.placement is None else dict(self.placement),
        }
        return _told(value, "artifacts", "scenarios", "energy", "placement")


def _rows(found: Sequence[ArtifactLatency] | Sequence[Scenario] | None) -> list[Any] | None:
    return None if found is None else [one.to_json() for one in found]


def _by_name(found: Mapping[str, SensorEnergy] | None) -> dict[str, Any] | None:
    return None if found is None else {name: one.to_json() for name, one in found.items()}


def _told(value: dict[str, Any], *optional: str) -> dict[str, Any]:
    """Without the optional fields that have no value."""
    return {key: one for key, one in value.items() if one is not None or key not in optional}
