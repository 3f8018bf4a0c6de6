"""What a bundle says of itself, every field checked by type and range before anybody uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Annotated, Any, Literal, Self

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.threshold import Threshold
from embedge.strict.json_text import json_value
from embedge.typed import Bound, Digest, Text, plain, structured

__all__ = [
    "FORMAT",
    "ONNX_RUNTIME",
    "Artifact",
    "BundledDetector",
    "Extras",
    "FileFacts",
    "Manifest",
    "Runtime",
]

FORMAT = "embedge.bundle/1"
Runtime = Literal["onnxruntime", "openvino", "ncnn", "litert", "executorch"]
ONNX_RUNTIME: Runtime = "onnxruntime"  # of the base install, so what every device has
_LARGEST_FILE = 2 << 30
_LARGEST_BUNDLE = 4 << 30
_LAST_VERSION = 2**53 - 1  # whole numbers that every JSON reader keeps


@dataclass(frozen=True, slots=True)
class Artifact:
    """One deployable graph of a bundle and the threshold measured on exactly this graph.

    `runtime` is the engine it was made for and measured on.
    """

    name: Text
    file: Text
    precision: Text
    opset: Annotated[int, Bound(1, 100)]
    threshold: Threshold | None
    runtime: Runtime = ONNX_RUNTIME

    def to_json(self) -> dict[str, Any]:
        """What stands under its name; the usual runtime goes unsaid, as in older bundles."""
        unsaid = {"name"} | ({"runtime"} if self.runtime == ONNX_RUNTIME else set())
        return {key: value for key, value in plain(self).items() if key not in unsaid}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the manifest vouches for: as many bytes, with this digest."""

    bytes: Annotated[int, Bound(0, _LARGEST_FILE)]
    sha256: Digest


@dataclass(frozen=True, slots=True)
class BundledDetector:
    """The detector a bundle brings along, and how its makers run it."""

    file: Text
    sizes: tuple[Annotated[int, Bound(32, 4096)], ...] = (640,)
    score: Annotated[float, Bound(0, 1)] = 0.5

    def __post_init__(self) -> None:
        if not 1 <= len(self.sizes) <= 8:
            raise ValueError("a detector has from 1 to 8 sizes")


@dataclass(frozen=True, slots=True)
class Extras:
    """Those extras that the matcher uses: operating points by artifact, and the detector."""

    thresholds: Mapping[str, tuple[Threshold, ...]] = field(default_factory=dict)
    thresholds_against_teacher: Mapping[str, Threshold | None] = field(default_factory=dict)
    detector: BundledDetector | None = None

    @classmethod
    def among(cls, extras: Mapping[str, Any]) -> Self:
        """Further ones, as the quality limits, are read where they are needed."""
        known = {one.name: extras[one.name] for one in fields(cls) if one.name in extras}
        return structured(cls, known)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`version` counts up from one release of a bundle to the next; after `expires` it is over."""

    name: Text
    contract: EmbeddingContract
    files: Mapping[str, FileFacts]
    artifacts: Mapping[str, Artifact]
    default_artifact: Text
    provenance: Mapping[str, Any]
    extras: Mapping[str, Any] = field(default_factory=dict)
    version: Annotated[int, Bound(0, _LAST_VERSION)] | None = None
    expires: date | None = None
    known: Extras = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", Extras.among(self.extras))
        detector = self.known.detector
        named = [artifact.file for artifact in self.artifacts.values()]
        named += [detector.file] if detector else []
        if absent := [file for file in named if file not in self.files]:
            raise ValueError(f"it lists no file {absent[0]!r}")
        if self.default_artifact not in self.artifacts:
            raise ValueError(f"there is no default artifact {self.default_artifact!r}")
        if sum(stated.bytes for stated in self.files.values()) > _LARGEST_BUNDLE:
            raise ValueError("the files are larger than 4 GiB together")

    @classmethod
    def parsed(cls, data: bytes) -> Self:
        """A ValueError says what is missing or misstated."""
        value = json_value(data.decode())
        if not isinstance(value, dict) or value.pop("format", None) != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        return structured(cls, {**value, "artifacts": _with_names(value.get("artifacts"))})


def _with_names(artifacts: object) -> object:
    """Each artifact with the name it stands under, which it must not state itself."""
    if not isinstance(artifacts, dict):
        return artifacts
    objects = {name: one for name, one in artifacts.items() if isinstance(one, dict)}
    if any("name" in one for one in objects.values()):
        raise ValueError("an artifact's name is what it stands under, not a field of it")
    return artifacts | {name: {**one, "name": name} for name, one in objects.items()}
