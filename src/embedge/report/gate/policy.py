"""What a policy file may ask of a report, version `embedge.policy/2`: docs/reference/policy.md."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from embedge.calibration.evaluation.figures import Key, Share, Side
from embedge.errors import EmbedgeError
from embedge.files import unreadable_file
from embedge.report.model import Skippable
from embedge.strict.json_text import json_value
from embedge.strict.yaml_text import yaml_value
from embedge.typed import Bound, Mistakes, structured

__all__ = [
    "CosineRule",
    "EerRule",
    "GatePolicy",
    "LatencyRule",
    "Licences",
    "SizeRule",
    "TarRule",
    "ThresholdRule",
    "policy_from_json",
    "read_policy",
]

POLICY: Final = "embedge.policy/2"


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfComparison:
    """`artifact` is the probe's, and the gallery's too where one model stands on both sides."""

    gallery: str
    probe: str
    artifact: str | None = None
    gallery_artifact: str | None = None

    @property
    def key(self) -> Key:
        same = self.artifact if self.gallery == self.probe else None
        return Key(
            Side(self.gallery, self.gallery_artifact or same), Side(self.probe, self.artifact)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TarRule(_OfComparison):
    """Asked of the lower end of the interval; `bound: value` asks the rate itself."""

    fmr: Share
    at_least: Share
    bound: Literal["value", "low"] = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class EerRule(_OfComparison):
    """Asked of the upper end of the interval, whatever bound the report's own gate has."""

    at_most: Share
    bound: Literal["value", "high"] = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRule(_OfComparison):
    """Error rates at the operating threshold; `bound: high` takes the upper end."""

    fmr_at_most: Share | None = None
    fnmr_at_most: Share | None = None
    bound: Literal["value", "high"] = "high"

    def __post_init__(self) -> None:
        if self.fmr_at_most is None and self.fnmr_at_most is None:
            raise ValueError("give fmr_at_most, fnmr_at_most or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineRule:
    artifact: str
    statistic: Literal["mean", "p1", "min"] = "p1"
    at_least: Annotated[float, Bound(-1, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRule:
    artifact: str
    threads: int | None = None
    quantile: Literal["p50", "p90", "p99", "max"] = "p90"
    at_most_ms: Annotated[float, Bound(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    artifact: str
    at_most_bytes: Annotated[int, Bound(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Licences:
    """Licences are looked at even when a policy says nothing of them."""

    acknowledged: tuple[str, ...] = ()
    required: tuple[Literal["weights", "data"], ...] = ("weights",)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    policy: Literal["embedge.policy/2"]
    gates: Literal["all", "none"] | tuple[str, ...] = "all"
    not_shown: Literal["fails", "told"] = "fails"
    must_run: tuple[Skippable, ...] = ()
    tar: tuple[TarRule, ...] = ()
    eer: tuple[EerRule, ...] = ()
    threshold: tuple[ThresholdRule, ...] = ()
    cosine: tuple[CosineRule, ...] = ()
    latency: tuple[LatencyRule, ...] = ()
    size: tuple[SizeRule, ...] = ()
    quiet_latency: bool = False
    licences: Licences = field(default_factory=Licences)


def read_policy(path: Path) -> GatePolicy:
    """Load a policy file, JSON or YAML; every mistake in it is told, with its place."""
    try:
        text = path.read_text("utf-8")
        value = json_value(text) if path.suffix == ".json" else yaml_value(text)
    except OSError as error:
        raise _wrong(unreadable_file(error), path) from error
    except ValueError as error:
        raise _wrong(str(error).replace("\n", " "), path) from error
    return policy_from_json(value, where=path)


def policy_from_json(value: Any, *, where: Path | None = None) -> GatePolicy:
    if isinstance(value, dict) and value.get("policy") == "embedge.policy/1":
        raise _wrong(
            f"it is embedge.policy/1, this version reads {POLICY}: `comparison:` became `gallery:`,"
            " `probe:` and `artifact:`",
            where,
        )
    try:
        return structured(GatePolicy, value)
    except Mistakes as mistakes:
        raise _wrong(str(mistakes), where) from mistakes


def _wrong(what: str, where: Path | None) -> EmbedgeError:
    return EmbedgeError(
        "E-POLICY",
        f"the policy cannot be used: {what}",
        where=where,
        remedy="Fix the keys it names as docs/reference/policy.md describes them",
    )
