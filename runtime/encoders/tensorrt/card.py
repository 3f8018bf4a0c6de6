"""The sidecar of an engine: what it was made of, with what, where, and for which device.

An engine is machine code. It is loaded only when a verified manifest names its digest and the
TensorRT, the GPU and the precision written here are the ones at hand.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from embedge.errors import EmbedgeError, ours
from embedge.files import write_json
from embedge.typed import Bound, Text, structured

__all__ = ["FORMAT", "EngineCard", "card_path"]

FORMAT: Final = "embedge.engine/2"
_EARLIER: Final = "embedge.engine/1"  # without `bindings` and `chosen`
Batch = Annotated[int, Bound(1, 65_536)]


@dataclass(frozen=True, slots=True)
class EngineCard:
    """`sm` is the compute capability (87 for Orin); `sms` lists those of a portable plan.

    `tensorrt` is the version of the library, which decides whether a plan fits; `bindings` that of
    the Python package. `chosen` says why this precision and no other, where several were timed.
    `remainder` is the precision outside Q/DQ pairs; `batches` is the optimisation profile:
    smallest, best and largest batch.
    `graph_tensors` counts the tensors of the parsed network by type, `layers` sums up the engine
    inspector (None where no GPU was there to ask it).
    """

    complete: ClassVar[bool] = True
    plan: Text
    plan_sha256: Text
    plan_bytes: Annotated[int, Bound(0, 1 << 32)]
    onnx_sha256: Text
    precision: Text
    remainder: Text
    target: Text
    tensorrt: Text
    bindings: Text
    sms: tuple[Annotated[int, Bound(10, 999)], ...]
    device: Text
    driver: Text
    batches: tuple[Batch, Batch, Batch]
    flags: tuple[Text, ...]
    graph_tensors: dict[str, int]
    build_seconds: Annotated[float, Bound(0, 1e9)]
    calibration_sha256: Text | None = None
    timing_sha256: Text | None = None
    dla: Annotated[int, Bound(0, 15)] | None = None
    hardware: Text | None = None
    layers: dict[str, Any] | None = None
    chosen: Text | None = None
    format: Literal["embedge.engine/2"] = FORMAT

    def __post_init__(self) -> None:
        if list(self.batches) != sorted(self.batches):
            raise ValueError(f"batches {self.batches} do not rise from smallest to largest")

    def misfit(self, tensorrt: str, sm: int) -> str | None:
        """Why this engine cannot run with this TensorRT on this GPU, or None when it can."""
        if not self._runs_with(tensorrt):
            return f"it was built by TensorRT {self.tensorrt}, here is {tensorrt}"
        if not self._runs_on(sm):
            built = ", ".join(f"sm_{one}" for one in self.sms)
            return f"it was built for {built} ({self.device}), here is sm_{sm}"
        return None

    def _runs_with(self, tensorrt: str) -> bool:
        """A version-compatible plan may be older, but not of an earlier major version."""
        here, built = _numbers(tensorrt), _numbers(self.tensorrt)
        if here == built:
            return True
        return self.version_compatible and here[:1] == built[:1] and here >= built

    def _runs_on(self, sm: int) -> bool:
        if self.hardware == "ampere-plus":
            return sm >= 80
        return sm in self.sms

    @property
    def version_compatible(self) -> bool:
        return "VERSION_COMPATIBLE" in self.flags

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def write(self, plan: Path) -> Path:
        path = card_path(plan)
        write_json(path, self.to_json())
        return path

    @classmethod
    def read(cls, plan: Path) -> Self:
        """Read the sidecar beside a plan."""
        path = card_path(plan)
        if not path.is_file():
            raise _unreadable("the engine has no sidecar", path)
        return cls.parse(path.read_bytes(), path)

    @classmethod
    def parse(cls, data: bytes, where: Path | str) -> Self:
        try:
            value = json.loads(data)
            if isinstance(value, dict) and value.get("format") == _EARLIER:
                unsaid = {"bindings": value.get("tensorrt"), "chosen": None}
                value = {**value, **unsaid, "format": FORMAT}
            if not isinstance(value, dict) or value.get("format") != FORMAT:
                raise ValueError(f"it is not of format {FORMAT}")
            return structured(cls, value, name="card")
        except ours((ValueError, RecursionError)) as error:
            raise _unreadable(f"the engine's sidecar cannot be read: {error}", where) from error


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def card_path(plan: Path) -> Path:
    return plan.with_name(plan.name + ".json")


def _unreadable(what: str, where: Path | str) -> EmbedgeError:
    return EmbedgeError(
        "E-ENGINE-CARD",
        what,
        where=where,
        remedy="Build the engine again: embedge build-engine BUNDLE",
    )
