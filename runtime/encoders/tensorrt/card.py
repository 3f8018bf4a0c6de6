"""The sidecar of an engine: what it was made of, with what, where, and for which device.

An engine is machine code. It is loaded only when a verified manifest names its digest and the
TensorRT, the GPU and the precision written here are the ones at hand.
"""

import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.files import write_json
from embedge.runtime.bundle.numbers import number, text, whole

__all__ = ["FORMAT", "EngineCard", "card_path"]

FORMAT = "embedge.engine/1"
_TEXTS = ("plan", "plan_sha256", "onnx_sha256", "precision", "remainder", "target", "tensorrt")


@dataclass(frozen=True, slots=True)
class EngineCard:
    """`sm` is the compute capability (87 for Orin); `sms` lists those of a portable plan.

    `remainder` is the precision outside Q/DQ pairs; `batches` is the optimisation profile:
    smallest, best and largest batch.
    `graph_tensors` counts the tensors of the parsed network by type, `layers` sums up the engine
    inspector (None where no GPU was there to ask it).
    """

    plan: str
    plan_sha256: str
    plan_bytes: int
    onnx_sha256: str
    precision: str
    remainder: str
    target: str
    tensorrt: str
    sms: tuple[int, ...]
    device: str
    driver: str
    batches: tuple[int, int, int]
    flags: tuple[str, ...]
    graph_tensors: dict[str, int]
    build_seconds: float
    calibration_sha256: str | None = None
    timing_sha256: str | None = None
    dla: int | None = None
    hardware: str | None = None
    layers: dict[str, Any] | None = None
    format: str = field(default=FORMAT)

    def misfit(self, tensorrt: str, sm: int) -> str | None:
        """Why this engine cannot run with this TensorRT on this GPU, or None when it can."""
        if not self._runs_with(tensorrt):
            return f"it was built by TensorRT {self.tensorrt}, here is {tensorrt}"
        if not self._runs_on(sm):
            built = ", ".join(f"sm_{one}" for one in self.sms)
            return f"it was built for {built} ({self.device}), here is sm_{sm}"
        return None

    def _runs_with(self, tensorrt: str) -> bool:
        if tensorrt == self.tensorrt:
            return True
        return self.version_compatible and _numbers(tensorrt) >= _numbers(self.tensorrt)

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
            return cls.from_json(json.loads(data))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _unreadable(f"the engine's sidecar cannot be read: {error}", where) from error

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        if not isinstance(value, dict) or value["format"] != FORMAT:
            raise ValueError(f"format is {value['format']!r}, this version reads {FORMAT!r}")
        expected = {one.name for one in fields(cls)}
        if set(value) != expected:
            raise ValueError(f"fields differ: {sorted(set(value) ^ expected)}")
        tuples = {name: tuple(value[name]) for name in ("sms", "batches", "flags")}
        return cls(**{**value, **tuples})._checked()

    def _checked(self) -> Self:
        """Every number and text that a decision rests on has its type and range."""
        smallest, best, largest = self.batches
        whole(smallest, "batches", 1, 65_536)
        whole(best, "batches", smallest, 65_536)
        whole(largest, "batches", best, 65_536)
        for sm in self.sms:
            whole(sm, "sms", 10, 999)
        whole(self.plan_bytes, "plan_bytes", 0, 1 << 32)
        number(self.build_seconds, "build_seconds", 0, 1e9)
        if self.dla is not None:
            whole(self.dla, "dla", 0, 15)
        for name in _TEXTS:
            text(getattr(self, name), name)
        for flag in self.flags:
            text(flag, "flags")
        return self


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
