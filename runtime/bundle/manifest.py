"""What a bundle says of itself, every field checked by type and range before anybody uses it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

from embedge.runtime.bundle.numbers import number, only, sha256, text, whole
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.threshold import Threshold

__all__ = ["FORMAT", "Artifact", "BundledDetector", "FileFacts", "Manifest"]

FORMAT = "embedge.bundle/1"
_LARGEST_FILE = 2 << 30
_LARGEST_BUNDLE = 4 << 30
_LAST_VERSION = 2**53 - 1  # whole numbers that every JSON reader keeps
_FIELDS = frozenset(
    ("format", "name", "contract", "files", "artifacts", "default_artifact", "provenance")
)
_MAY = frozenset(("extras", "version", "expires"))
_ARTIFACT = frozenset(("file", "precision", "opset", "threshold"))


@dataclass(frozen=True, slots=True)
class Artifact:
    """One deployable graph of a bundle and the threshold measured on exactly this graph."""

    name: str
    file: str
    precision: str
    opset: int
    threshold: Threshold | None

    def to_json(self) -> dict[str, Any]:
        threshold = self.threshold.to_json() if self.threshold else None
        return {
            "file": self.file,
            "precision": self.precision,
            "opset": self.opset,
            "threshold": threshold,
        }

    @classmethod
    def from_json(cls, name: str, value: object) -> Self:
        stated = only(value, f"artifact {name!r}", _ARTIFACT)
        return cls(
            name=text(name, "an artifact's name"),
            file=text(stated["file"], "an artifact's file"),
            precision=text(stated["precision"], "precision"),
            opset=whole(stated["opset"], "opset", 1, 100),
            threshold=_threshold(stated["threshold"]),
        )


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the manifest vouches for: as many bytes, with this digest."""

    bytes: int
    sha256: str

    @classmethod
    def from_json(cls, value: object) -> Self:
        stated = only(value, "a file", frozenset(("bytes", "sha256")))
        size = whole(stated["bytes"], "bytes", 0, _LARGEST_FILE)
        return cls(size, sha256(stated["sha256"], "sha256"))

    def to_json(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class BundledDetector:
    """The detector a bundle brings along, and how its makers run it."""

    file: str
    sizes: tuple[int, ...] = (640,)
    score: float = 0.5

    @classmethod
    def from_json(cls, value: object) -> Self:
        stated = value if isinstance(value, dict) else {}
        sizes = stated.get("sizes", [640])
        if not set(stated) <= {"file", "sizes", "score"} or not isinstance(sizes, list):
            raise ValueError("the detector must state file, sizes and score")
        if not 1 <= len(sizes) <= 8:
            raise ValueError("the detector must state from 1 to 8 sizes")
        return cls(
            file=text(stated["file"], "the detector's file"),
            sizes=tuple(whole(size, "a detector's size", 32, 4096) for size in sizes),
            score=number(stated.get("score", 0.5), "the detector's score", 0, 1),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """`version` counts up from one release of a bundle to the next; after `expires` it is over.

    `extras` holds what the matcher may use besides: `operating_points` and `detector` are read
    from it, quality limits are where they are needed.
    """

    name: str
    contract: EmbeddingContract
    files: Mapping[str, FileFacts]
    artifacts: Mapping[str, Artifact]
    default_artifact: str
    provenance: Mapping[str, Any]
    extras: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    expires: date | None = None
    detector: BundledDetector | None = None
    operating_points: Mapping[str, tuple[Threshold, ...]] = field(default_factory=dict)

    @classmethod
    def parsed(cls, data: bytes) -> Self:
        """A ValueError says what is missing or misstated."""
        value = json.loads(
            data.decode(),
            parse_constant=_no_number,
            parse_float=_finite,
            object_pairs_hook=_once,
        )
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        stated = only(value, "the manifest", _FIELDS | (_MAY & set(value)))
        extras = _object(stated.get("extras", {}), "extras")
        found = cls(
            name=text(stated["name"], "name"),
            contract=EmbeddingContract.from_json(stated["contract"]),
            files=_each(stated["files"], "files", lambda _, one: FileFacts.from_json(one)),
            artifacts=_each(stated["artifacts"], "artifacts", Artifact.from_json),
            default_artifact=text(stated["default_artifact"], "default_artifact"),
            provenance=_object(stated["provenance"], "provenance"),
            extras=extras,
            version=_maybe(stated.get("version"), _version),
            expires=_maybe(stated.get("expires"), _date),
            detector=_maybe(extras.get("detector"), BundledDetector.from_json),
            operating_points=_each(extras.get("thresholds", {}), "thresholds", _points),
        )
        _each(
            extras.get("thresholds_against_teacher", {}), "thresholds", lambda _, v: _threshold(v)
        )
        found._check_references()
        return found

    def _check_references(self) -> None:
        named = [artifact.file for artifact in self.artifacts.values()]
        named += [self.detector.file] if self.detector else []
        if absent := [file for file in named if file not in self.files]:
            raise ValueError(f"it lists no file {absent[0]!r}")
        if self.default_artifact not in self.artifacts:
            raise ValueError(f"there is no default artifact {self.default_artifact!r}")
        if sum(stated.bytes for stated in self.files.values()) > _LARGEST_BUNDLE:
            raise ValueError("the files are larger than 4 GiB together")


def _version(value: object) -> int:
    return whole(value, "version", 0, _LAST_VERSION)


def _date(value: object) -> date:
    return date.fromisoformat(text(value, "expires"))


def _points(_: str, value: object) -> tuple[Threshold, ...]:
    if not isinstance(value, list):
        raise ValueError("the thresholds of an artifact must be a list")
    return tuple(Threshold.from_json(point) for point in value)


def _threshold(value: object) -> Threshold | None:
    return None if value is None else Threshold.from_json(value)


def _maybe(value: object, read: Any) -> Any:
    return None if value is None else read(value)


def _each(value: object, name: str, read: Any) -> dict[str, Any]:
    return {key: read(key, one) for key, one in _object(value, name).items()}


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one key, readers differ in which they take."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is no number that can be kept")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
