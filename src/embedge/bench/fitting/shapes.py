"""What crosses between workshop and device: which shapes there are, and how long each one took."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from embedge.bench.results import Machine
from embedge.errors import EmbedgeError
from embedge.files import unreadable_file, write_json
from embedge.strict.json_text import json_value
from embedge.typed import Bound, Mistakes, Text, plain, structured

__all__ = ["FACES", "LIST", "DeviceTimes", "Shape", "Shapes", "Timing"]

LIST, FACES = "shapes.json", "faces.npy"

Count = Annotated[int, Bound(0)]
Positive = Annotated[float, Bound(0, above=True)]


class _Kept:
    """A JSON file of one of the types below."""

    what: ClassVar[str]
    remedy: ClassVar[str]

    def write(self, path: Path) -> None:
        write_json(path, plain(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            return structured(cls, json_value(path.read_bytes()))
        except OSError as error:
            why = unreadable_file(error)
        except (Mistakes, ValueError) as error:
            why = str(error)
        raise EmbedgeError("E-FIT", f"{cls.what}: {why}", where=path, remedy=cls.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A student network by its keys of the recipe, and what it costs; `bytes` by precision."""

    name: Text
    architecture: Literal["mobilefacenet", "repface"]
    scale: Literal[1, 2, 4]
    width: Annotated[float, Bound(0, 1, above=True)]
    depth: Annotated[float, Bound(0, 2, above=True)]
    activation: Literal["prelu", "relu", "relu6"]
    parameters: Count
    macs: Count
    bytes: dict[str, Count]

    @property
    def student(self) -> dict[str, Any]:
        """The recipe's section."""
        keys = ("architecture", "scale", "width", "depth", "activation")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes(_Kept):
    what: ClassVar[str] = "this is no folder of shapes"
    remedy: ClassVar[str] = "Write one with `embedge fit-to --write FOLDER`"

    dim: Annotated[int, Bound(1)]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Milliseconds of one embedding: the median, and its interval where the runs carry one."""

    shape: Text
    precision: Text
    ms: Positive
    interval: tuple[float, float] | None
    runs: Count
    flagged: Count
    """rounds during which others used the processor"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTimes(_Kept):
    what: ClassVar[str] = "this is no file of a device's times"
    remedy: ClassVar[str] = "Write one there with `embedge fit-to --measure FOLDER --device FILE`"

    machine: Machine
    provider: Text
    threads: Annotated[int, Bound(1)]
    dim: Annotated[int, Bound(1)]
    shapes: tuple[Shape, ...]
    times: tuple[Timing, ...]
