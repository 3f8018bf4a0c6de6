"""What a policy file may ask of a report, version `embedge.policy/1`: docs/reference/policy.md."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from embedge.errors import EmbedgeError
from embedge.optional import require

__all__ = ["Policy", "read_policy"]

POLICY = "embedge.policy/1"
Share = Annotated[float, Field(ge=0, le=1)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class TarRule(_Rule):
    """`bound: low` asks it of the lower end of the interval, as an auditor would."""

    comparison: str
    fmr: Share
    at_least: Share
    bound: Literal["value", "low"] = "value"


class ThresholdRule(_Rule):
    """Error rates at the operating threshold; `bound: high` takes the upper end."""

    comparison: str
    fmr_at_most: Share | None = None
    fnmr_at_most: Share | None = None
    bound: Literal["value", "high"] = "high"

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.fmr_at_most is None and self.fnmr_at_most is None:
            raise ValueError("give fmr_at_most, fnmr_at_most or both")
        return self


class CosineRule(_Rule):
    artifact: str
    statistic: Literal["mean", "p1", "min"] = "p1"
    at_least: Annotated[float, Field(ge=-1, le=1)]


class LatencyRule(_Rule):
    artifact: str
    threads: int | None = None
    quantile: Literal["p50", "p90", "p99", "max"] = "p90"
    at_most_ms: Annotated[float, Field(gt=0)]


class SizeRule(_Rule):
    artifact: str
    at_most_bytes: Annotated[int, Field(gt=0)]


class Licences(_Rule):
    """Licences are looked at even when a policy says nothing of them."""

    acknowledged: list[str] = []
    required: list[Literal["weights", "data"]] = ["weights"]


class Policy(_Rule):
    policy: Literal["embedge.policy/1"]
    gates: Literal["all", "none"] | list[str] = "all"
    must_run: list[str] = []
    tar: list[TarRule] = []
    threshold: list[ThresholdRule] = []
    cosine: list[CosineRule] = []
    latency: list[LatencyRule] = []
    size: list[SizeRule] = []
    quiet_latency: bool = False
    licences: Licences = Licences()


def read_policy(path: Path) -> Policy:
    """Load a policy file; every mistake in it is told, with its place."""
    yaml = require("yaml", extra="export")
    try:
        value: Any = yaml.safe_load(path.read_text())
        return Policy.model_validate(value)
    except ValidationError as error:
        raise _wrong(path, "; ".join(_line(item) for item in error.errors())) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _wrong(path, str(error).replace("\n", " ")) from error


def _line(item: Any) -> str:
    return f"{'.'.join(map(str, item['loc'])) or 'policy'}: {item['msg']}"


def _wrong(path: Path, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-POLICY",
        f"the policy cannot be used: {what}",
        where=path,
        remedy="docs/reference/policy.md describes every key",
    )
