"""The shape of `report.json`, version `embedge.report/1`; docs/reference/report.md explains it.

Within one version fields are only ever added, never renamed, and every addition is optional.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = "embedge.report/1"

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1.001, le=1.001)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Picture = Annotated[str, Field(pattern="^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+$")]


class Strict(BaseModel):
    """Unknown keys are mistakes; NaN and infinity are no results."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Open(BaseModel):
    """Named keys are checked; others are kept and shown as they are."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Gate(Strict):
    """One bound. `value` is null when it could not be measured, and then the gate has failed."""

    name: str
    what: str
    value: float | None
    bound: float
    direction: Literal["min", "max"]
    unit: str = ""
    passed: bool

    @model_validator(mode="after")
    def _passed_follows_from_the_numbers(self) -> Self:
        if self.passed != self.holds():
            raise ValueError(
                f"gate '{self.name}' says passed={self.passed}, but its value {self.value} against"
                f" the bound ({self.direction} {self.bound}) says {self.holds()}"
            )
        return self

    def holds(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.bound if self.direction == "min" else self.value <= self.bound


class Verdict(Strict):
    passed: bool
    gates: list[Gate]

    @model_validator(mode="after")
    def _passed_means_every_gate(self) -> Self:
        if self.passed != all(gate.passed for gate in self.gates):
            raise ValueError(f"verdict.passed is {self.passed}, which the gates contradict")
        return self


class Space(Strict):
    id: str
    teacher: str
    contract_digest: Digest


class Model(Strict):
    """A network that took part. `macs` are multiply-accumulates for one picture."""

    name: str
    role: Literal["teacher", "student", "baseline"]
    method: str
    parameters: Count
    macs: Count | None = None
    dim: Count
    note: str = ""


class CosineToTorch(Strict):
    """How far an artifact's embeddings are from those of the network it was made from."""

    mean: Cosine
    p1: Cosine
    min: Cosine
    n: Count


class ThresholdRow(Strict):
    value: float
    fmr_target: Share
    fmr: Share
    fmr_upper: Share
    confidence: Share
    impostors: Count
    subjects: Count
    dataset: str
    model: str


class FloatLayer(Strict):
    """A layer of an INT8 graph that computes in float, its share of the work, and why."""

    node: str
    macs_share: Share
    why: str


class Artifact(Strict):
    name: str
    file: str
    bytes: Count
    sha256: Digest
    precision: str
    opset: int
    provider: str | None = None
    cosine_to_torch: CosineToTorch | None = None
    threshold: ThresholdRow | None = None
    placement: dict[str, dict[str, Count]] | None = None
    float_layers: list[FloatLayer] = []
    note: str = ""


class Skipped(Strict):
    stage: str
    reason: str


class Dataset(Open):
    name: str
    fingerprint: str
    identities: Count
    images: Count


class TarPoint(Strict):
    """TAR at one FMR with its interval, or how many impostor pairs that FMR would need."""

    fmr: Share
    tar: Share | None = None
    low: Share | None = None
    high: Share | None = None
    threshold: float | None = None
    needs: Count | None = None

    @model_validator(mode="after")
    def _a_rate_or_a_reason(self) -> Self:
        if (self.tar is None) == (self.needs is None):
            raise ValueError("a TAR point carries either `tar` or `needs`")
        return self


class Det(Open):
    """The DET curve, point by point; `low` and `high` bound the FNMR."""

    fmr: list[Share]
    fnmr: list[Share]
    low: list[Share] | None = None
    high: list[Share] | None = None

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        series = [self.fmr, self.fnmr, self.low, self.high]
        if len({len(values) for values in series if values is not None}) > 1:
            raise ValueError("the DET series differ in length")
        return self


class Histogram(Open):
    """Counts of cosines between `edges`, which is one longer than the counts."""

    edges: list[float]
    genuine: list[Count]
    impostor: list[Count]

    @model_validator(mode="after")
    def _edges_enclose_counts(self) -> Self:
        if not len(self.edges) - 1 == len(self.genuine) == len(self.impostor):
            raise ValueError("histogram.edges must be one longer than the counts")
        return self


class Rate(Open):
    """A rate with its interval."""

    rate: Share
    low: Share
    high: Share


class AtThreshold(Open):
    """What a threshold fixed on other people does here; absent rates were not to be had."""

    threshold: float | None = None
    fmr: Rate | None = None
    fnmr: Rate | None = None


class DriftPoint(Open):
    """Decisions that change when the reference's threshold is kept but its model is replaced."""

    fmr_target: Share
    reference_threshold: float
    threshold: float
    drift: float
    comparisons: Count
    flips: Count
    genuine_lost: Count
    genuine_won: Count
    impostor_lost: Count
    impostor_won: Count


class Drift(Open):
    reference: str
    points: list[DriftPoint] = []


class SameImage(Open):
    """Cosine between the two embeddings of one picture."""

    mean: Cosine
    p1: Cosine
    min: Cosine


class Comparison(Open):
    """Scores of one gallery model against one probe model; report-evaluation.md has the details."""

    name: str
    gallery: str
    probe: str
    genuine: Count
    impostor: Count
    eer: Share | None = None
    tar: list[TarPoint] = []
    threshold: float | None = None
    det: Det | None = None
    histogram: Histogram | None = None
    same_image: SameImage | None = None
    at_threshold: AtThreshold | None = None
    drift: Drift | None = None


class Slice(Open):
    """Error rates within one group of a labels file, at the operating threshold."""

    label: str
    value: str
    fmr: Share | None = None
    fmr_low: Share | None = None
    fmr_high: Share | None = None
    fnmr: Share | None = None
    fnmr_low: Share | None = None
    fnmr_high: Share | None = None


class Evaluation(Open):
    dataset: Dataset
    comparisons: list[Comparison]
    slices: list[Slice] = []


class Percentiles(Open):
    """Latencies of `n` runs. A quantile that n cannot carry is null, and `needs` says what would.

    `interval` is the distribution-free 95 % interval of each quantile given.
    """

    n: Count
    p50: Seconds | None = None
    p90: Seconds | None = None
    p99: Seconds | None = None
    max: Seconds
    mean: Seconds | None = None
    unit: Literal["ms"] = "ms"
    needs: dict[str, Count] = {}
    interval: dict[str, tuple[Seconds, Seconds]] = {}


class ArtifactLatency(Percentiles):
    """One embedding, one caller at a time. `flagged` rounds ran while the machine was busy."""

    artifact: str
    threads: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] = 1
    provider: str
    rounds: Count = 1
    flagged: Count = 0


class StageLatency(Percentiles):
    stage: str


class ColdStart(Open):
    """Seconds from a bare interpreter to the first embedding."""

    import_s: Seconds
    load_s: Seconds
    first_s: Seconds


class Scenario(Open):
    """One load pattern of `embedge bench`."""

    scenario: Literal["single-stream", "multi-stream", "offline", "server", "sustained"]
    artifact: str
    threads: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] = 1
    images_per_s: Annotated[float, Field(ge=0)]
    latency: Percentiles | None = None


class Latency(Open):
    """What was measured on one machine; `device` names it where several are told."""

    device: str | None = None
    machine: dict[str, Any] = {}
    artifacts: list[ArtifactLatency] = []
    verify: list[StageLatency] = []
    cold_start: ColdStart | None = None
    scenarios: list[Scenario] = []
    pressure: dict[str, Any] = {}


class Pair(Strict):
    """Two pictures and their cosine; `a` and `b` are data URIs, absent when privacy asks."""

    cosine: Cosine
    a: Picture | None = None
    b: Picture | None = None
    label_a: str = ""
    label_b: str = ""


class Worst(Strict):
    comparison: str = ""
    threshold: float | None = None
    false_matches: list[Pair] = []
    false_non_matches: list[Pair] = []


class Curve(Strict):
    """What a training run logged: every series has one value per entry of `steps`."""

    name: str
    steps: list[Count]
    series: dict[str, list[float | None]]

    @model_validator(mode="after")
    def _one_value_per_step(self) -> Self:
        for name, values in self.series.items():
            if len(values) != len(self.steps):
                raise ValueError(f"series '{name}' has {len(values)} values, not {len(self.steps)}")
        return self


class Training(Strict):
    curves: list[Curve] = []


class Provenance(Open):
    """Where everything came from. More keys may be added; all of them are shown."""

    versions: dict[str, str] = {}
    teacher_digest: str | None = None
    data_fingerprint: str | None = None
    seed: int | None = None
    weight_licence: str | None = None
    data_licence: str | None = None
    recipe: dict[str, Any] = {}


class Report(Strict):
    """The whole of `report.json`."""

    version: Annotated[Literal["embedge.report/1"], Field(alias="schema")]
    created: str
    title: str
    command: str = ""
    verdict: Verdict
    space: Space | None = None
    models: list[Model] = []
    artifacts: list[Artifact] = []
    skipped: list[Skipped] = []
    evaluation: Evaluation | None = None
    latency: Latency | None = None
    devices: list[Latency] = []
    worst: Worst | None = None
    training: Training | None = None
    provenance: Provenance
