"""Files for runtimes that do not read ONNX: one module each, the tools imported when asked for."""

from dataclasses import dataclass, field

__all__ = ["Converted"]


@dataclass(frozen=True, slots=True)
class Converted:
    """`files` by what follows `student.PRECISION` in their names; the first one is the artifact."""

    files: dict[str, bytes]
    tools: dict[str, str] = field(default_factory=dict)
