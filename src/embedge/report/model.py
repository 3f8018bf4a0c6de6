"""The report: one type from the first figure to the page, and the shape of `report.json`.

docs/reference/report.md explains it; `embedge report schema` prints the JSON Schema made from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Final, Literal

from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import (
    Acquisition,
    Comparison,
    Cosines,
    Count,
    FloatLayer,
    Key,
    Side,
    ThresholdsOn,
)
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.slices import Slice
from embedge.calibration.identification import IdentificationRates
from embedge.calibration.people.shortage import Shortage
from embedge.calibration.people.zoo import Zoo
from embedge.calibration.tenfold import FoldedAccuracy
from embedge.calibration.trials.result import Templates
from embedge.report.gate.measurand import OTHER, Measurand
from embedge.runtime.threshold import Threshold
from embedge.typed import Digest, Pattern, plain

__all__ = [
    "SCHEMA",
    "Artifact",
    "Curve",
    "Dataset",
    "Evaluation",
    "Gate",
    "Model",
    "Pair",
    "Provenance",
    "Report",
    "Shortage",
    "Skippable",
    "Skipped",
    "Slice",
    "SliceRatio",
    "Space",
    "Tested",
    "Training",
    "Verdict",
    "Worst",
    "Zoo",
]

SCHEMA: Final = "embedge.report/2"

Image = Annotated[
    str, Pattern("data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+", "a picture as data URI")
]


Direction = Literal["min", "max"]
Outcome = Literal["passed", "not shown", "failed"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One bound. `value` is None when it could not be measured, and then the gate has failed.

    `name` and `what` are words for people; `measures` says what is measured. Where `value` is the
    far end of an interval, `at_best` is what fails the gate: the rate itself, say. As long as only
    the value is beyond the bound, too few people tell: it takes `needs` of them, or more. Where it
    is the worst of several comparisons, `worst` says of which.
    """

    name: str
    what: str
    value: float | None
    bound: float
    direction: Direction
    passed: bool
    unit: str = ""
    at_best: float | None = None
    needs: Count | None = None
    measures: Measurand = OTHER
    worst: Key | None = None

    @classmethod
    def of(
        cls,
        measures: Measurand,
        name: str,
        what: str,
        value: float | None,
        bound: float,
        side: Direction,
        unit: str = "",
        *,
        at_best: float | None = None,
        needs: int | None = None,
        worst: Key | None = None,
    ) -> "Gate":
        """`needs` is kept where it is asked for."""
        holds = _holds(value, bound, side)
        found = cls(name, what, value, bound, side, holds, unit, at_best, None, measures, worst)
        return replace(found, needs=needs) if found.outcome == "not shown" else found

    @property
    def unworded(self) -> "Gate":
        """All but its words."""
        return replace(self, name="", what="")

    @property
    def outcome(self) -> Outcome:
        if self.passed:
            return "passed"
        return "not shown" if _holds(self.at_best, self.bound, self.direction) else "failed"

    def __post_init__(self) -> None:
        holds = _holds(self.value, self.bound, self.direction)
        if self.passed != holds:
            raise ValueError(
                f"gate '{self.name}' says passed={self.passed}, but its value {self.value} against"
                f" the bound ({self.direction} {self.bound}) says {holds}"
            )
        best = self.value if self.at_best is None else self.at_best
        if self.value is not None and not _holds(best, self.value, self.direction):
            raise ValueError(f"gate '{self.name}' is worse at best than at worst")


def _holds(value: float | None, bound: float, direction: Direction) -> bool:
    if value is None:
        return False
    return value >= bound if direction == "min" else value <= bound


@dataclass(frozen=True, slots=True)
class Verdict:
    """`passed`: every gate is shown to hold."""

    passed: bool
    gates: tuple[Gate, ...]

    @classmethod
    def of(cls, gates: Iterable[Gate]) -> "Verdict":
        every = tuple(gates)
        return cls(all(gate.passed for gate in every), every)

    @property
    def failed(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if gate.outcome == "failed")

    @property
    def not_shown(self) -> tuple[Gate, ...]:
        """What too few people tell: neither passed nor failed."""
        return tuple(gate for gate in self.gates if gate.outcome == "not shown")

    def __post_init__(self) -> None:
        if self.passed != all(gate.passed for gate in self.gates):
            raise ValueError(f"verdict.passed is {self.passed}, which the gates contradict")


@dataclass(frozen=True, slots=True)
class Space:
    """Which embeddings may be compared: `teacher` is the digest of the network that spans it."""

    id: str
    teacher: str
    contract_digest: Digest


@dataclass(frozen=True, slots=True)
class Model:
    """A network that took part. `macs` are multiply-accumulates for one picture."""

    name: str
    role: Literal["teacher", "student", "baseline"]
    method: str
    parameters: Count
    dim: Count
    macs: Count | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a device can run. `cosine_to_torch`: how near it is to the trained network."""

    name: str
    file: str
    bytes: Count
    sha256: Digest
    precision: str
    opset: int
    provider: str | None = None
    cosine_to_torch: Cosines | None = None
    threshold: Threshold | None = None
    shortage: Shortage | None = None
    placement: dict[str, dict[str, Count]] | None = None
    float_layers: tuple[FloatLayer, ...] = ()
    note: str = ""


Skippable = Literal["engines", "cross-space"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage that a run can do without, and why it did."""

    stage: Skippable
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """`identities` are those judged on; thresholds were set on `threshold_identities` others.

    `thresholds_on` tells whether the pictures of both were compared, and what was found.
    """

    name: str
    fingerprint: str
    identities: Count
    images: Count
    threshold_identities: Count | None = None
    people: str = ""
    thresholds_on: ThresholdsOn = "not checked"


@dataclass(frozen=True, slots=True)
class SliceRatio:
    """A sentence on the worst and the best group."""

    words: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What a trial tells of one model beside its comparisons; which of it depends on the trial."""

    side: Side
    acquisition: Acquisition | None = None
    accuracy: FoldedAccuracy | None = None
    templates: Templates | None = None
    identification: dict[str, IdentificationRates] = field(default_factory=dict)
    findings: tuple[DataFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`findings` are faults of the data itself, seen before any model looked."""

    dataset: Dataset
    comparisons: tuple[Comparison, ...]
    slices: tuple[Slice, ...] = ()
    slice_ratios: tuple[SliceRatio, ...] = ()
    findings: tuple[DataFault, ...] = ()
    tested: tuple[Tested, ...] = ()
    zoo: Zoo | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures and their cosine; `a` and `b` are absent when privacy asks."""

    cosine: float
    a: Image | None = None
    b: Image | None = None
    label_a: str = ""
    label_b: str = ""


@dataclass(frozen=True, slots=True)
class Worst:
    comparison: str = ""
    threshold: float | None = None
    line: str = ""
    false_matches: tuple[Pair, ...] = ()
    false_non_matches: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """What a training run logged: every series has one value per entry of `steps`."""

    name: str
    steps: tuple[Count, ...]
    series: dict[str, tuple[float | None, ...]]

    def __post_init__(self) -> None:
        for name, values in self.series.items():
            if len(values) != len(self.steps):
                raise ValueError(f"series '{name}' has {len(values)} values, not {len(self.steps)}")


@dataclass(frozen=True, slots=True)
class Training:
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where everything came from; all of it is shown. `more` is what a command adds by name."""

    versions: dict[str, str] = field(default_factory=dict)
    teacher_digest: str | None = None
    data_fingerprint: str | None = None
    held_out_fingerprint: str | None = None
    calibration_sha256: str | None = None
    seed: int | None = None
    weight_licence: str | None = None
    data_licence: str | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """All of it under one roof, as a bundle's manifest keeps it."""
        named: dict[str, Any] = plain(self)
        more = named.pop("more")
        return {**named, **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole of `report.json`."""

    # pydantic takes this for every class inside: unknown keys are mistakes, NaN is no result
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    schema: Literal["embedge.report/2"] = SCHEMA
    created: str
    title: str
    command: str = ""
    verdict: Verdict
    space: Space | None = None
    models: tuple[Model, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    evaluation: Evaluation | None = None
    latency: Latency | None = None
    devices: tuple[Latency, ...] = ()
    worst: Worst | None = None
    training: Training | None = None
    provenance: Provenance

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        return self.evaluation.comparisons if self.evaluation else ()

    @property
    def machines(self) -> tuple[Latency, ...]:
        """The machine of the run, then every device whose report was merged."""
        own = () if self.latency is None else (self.latency,)
        return own + self.devices
