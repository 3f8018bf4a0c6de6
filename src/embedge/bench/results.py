"""What a bench finds: given by the measurements, carried by the report, printed by the command."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from embedge.bench.percentiles import quantiles_of
from embedge.typed import Bound

__all__ = [
    "ArtifactLatency",
    "ColdStart",
    "Energy",
    "Latency",
    "Machine",
    "Percentiles",
    "Pressure",
    "Sample",
    "Scenario",
    "StageLatency",
    "Window",
]

Count = Annotated[int, Bound(0)]
Some = Annotated[int, Bound(1)]
Seconds = Annotated[float, Bound(0)]
Milliseconds = Annotated[float, Bound(0)]
Share = Annotated[float, Bound(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """Milliseconds of `n` runs. A quantile that n cannot carry is None, and `needs` says why.

    `interval` is the distribution-free 95 % interval of each quantile given.
    """

    n: Count
    p50: Milliseconds | None = None
    p90: Milliseconds | None = None
    p99: Milliseconds | None = None
    max: Milliseconds
    mean: Milliseconds | None = None
    unit: Literal["ms"] = "ms"
    interval: dict[str, tuple[Milliseconds, Milliseconds]] = field(default_factory=dict)
    needs: dict[str, Count] = field(default_factory=dict)

    @classmethod
    def of(cls, milliseconds: ArrayLike, **about: Any) -> Self:
        """Of a measured sample; `about` are the fields that a subclass adds."""
        ordered = np.sort(np.asarray(milliseconds, dtype=np.float64))
        if not len(ordered):
            raise ValueError("no run was measured")
        found = quantiles_of(ordered)
        return cls(
            n=len(ordered),
            max=_rounded(ordered[-1]),
            mean=_rounded(ordered.mean()),
            p50=_rounded_or_none(found.values.get("p50")),
            p90=_rounded_or_none(found.values.get("p90")),
            p99=_rounded_or_none(found.values.get("p99")),
            interval={
                name: (_rounded(low), _rounded(high))
                for name, (low, high) in found.interval.items()
            },
            needs=found.needs,
            **about,
        )


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    """A tenth of a microsecond is below what the clock of any device can tell."""
    return round(float(value), 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactLatency(Percentiles):
    """One embedding, one caller at a time. `flagged` rounds ran while the machine was busy."""

    artifact: str
    threads: Some
    batch: Some = 1
    provider: str
    rounds: Count = 1
    rejected: Count = 0
    flagged: Count = 0
    other_cores: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLatency(Percentiles):
    """One step of a verification; `share` of the whole."""

    stage: str
    share: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdStart:
    """From a bare interpreter to the first embedding: medians over `repeats` processes."""

    artifact: str | None = None
    interpreter_s: Seconds | None = None
    import_s: Seconds
    load_s: Seconds
    first_s: Seconds
    total_s: Seconds | None = None
    peak_rss_bytes: Count | None = None
    threads: int | None = None
    provider: str | None = None
    repeats: Some = 1


@dataclass(frozen=True, slots=True)
class Pressure:
    """What else ran. Cores and shares are None where the system does not tell."""

    seconds: Seconds | None = None
    own_cores: float | None = None
    other_cores: float | None = None
    waiting_share: float | None = None
    loadavg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a sustained load."""

    at_s: Seconds
    n: Count
    p50: Milliseconds
    frequency_mhz: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load pattern; the fields after `pressure` belong to one pattern or another."""

    scenario: Literal["single-stream", "multi-stream", "offline", "server", "sustained"]
    artifact: str
    threads: Some
    provider: str
    images_per_s: Annotated[float, Bound(0)]
    latency: Percentiles | None = None
    pressure: Pressure | None = None
    batch: Some | None = None
    streams: Some | None = None
    offered_per_s: float | None = None
    load: float | None = None
    seed: int | None = None
    overloaded: bool | None = None
    windows: tuple[Window, ...] = ()
    slowdown: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Everything that changes a latency; None where the system does not tell."""

    name: str | None = None
    cpu: str
    cores: Some
    memory_bytes: Count | None = None
    system: str | None = None
    architecture: str | None = None
    python: str | None = None
    frequency_mhz: float | None = None
    governor: str | None = None
    gpu: str | None = None
    jetson: dict[str, str | None] | None = None
    power_mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Joules of one call by one sensor, whole and beyond the idle board."""

    joules_per_call: float
    above_idle: float
    idle_watts: float
    calls: Some


@dataclass(frozen=True, slots=True)
class Sample:
    """What a board told while it worked."""

    mean: float
    max: float
    n: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What was measured on one machine; `device` names it where several are told."""

    machine: Machine
    device: str | None = None
    artifacts: tuple[ArtifactLatency, ...] = ()
    verify: tuple[StageLatency, ...] = ()
    verify_artifact: str | None = None
    why: str | None = None
    """that artifact is what a device runs"""
    cold_start: ColdStart | None = None
    scenarios: tuple[Scenario, ...] = ()
    energy: dict[str, Energy] | None = None
    power: dict[str, Sample] | None = None
    placement: dict[str, dict[str, dict[str, Count]]] | None = None
    peak_rss_bytes: Count | None = None
    pressure: Pressure | None = None
