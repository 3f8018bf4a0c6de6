"""What an ONNX file says about itself, read from its bytes without a parser library.

The whole file is walked by the schema of ONNX, every tensor wherever it may stand: operators, half
precision, and whether anything is kept in another file. What the schema does not know is refused,
because a part that cannot be read cannot be vouched for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.wire import Wire

__all__ = ["GraphFacts", "graph_facts"]

_FLOAT16 = 10
_FIRST = 8
_DEEPEST = 20  # graphs within graphs; a branch within a loop within a branch is 3
_LEAF = ""  # text, numbers, or a message that holds no tensor

# message -> field number -> the message it holds. Only fields that are messages, text or packed.
_PARTS: Mapping[str, Mapping[int, str]] = {
    "model": {2: _LEAF, 3: _LEAF, 4: _LEAF, 6: _LEAF, 7: "graph", 8: _LEAF, 14: _LEAF}
    | {20: "training", 25: "function", 26: _LEAF},
    "training": {1: "graph", 2: "graph", 3: _LEAF, 4: _LEAF},
    "graph": {1: "node", 2: _LEAF, 5: "tensor", 10: _LEAF, 11: _LEAF, 12: _LEAF, 13: _LEAF}
    | {14: _LEAF, 15: "sparse", 16: _LEAF},
    "function": {1: _LEAF, 4: _LEAF, 5: _LEAF, 6: _LEAF, 7: "node", 8: _LEAF, 9: _LEAF}
    | {10: _LEAF, 11: "attribute", 12: _LEAF, 13: _LEAF, 14: _LEAF},
    "node": {1: _LEAF, 2: _LEAF, 3: _LEAF, 4: _LEAF, 5: "attribute", 6: _LEAF, 7: _LEAF}
    | {8: _LEAF, 9: _LEAF, 10: _LEAF},
    "attribute": {1: _LEAF, 4: _LEAF, 5: "tensor", 6: "graph", 7: _LEAF, 8: _LEAF, 9: _LEAF}
    | {10: "tensor", 11: "graph", 13: _LEAF, 14: _LEAF, 15: _LEAF, 21: _LEAF}
    | {22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor", 3: _LEAF},
    "tensor": {1: _LEAF, 3: _LEAF, 4: _LEAF, 5: _LEAF, 6: _LEAF, 7: _LEAF, 8: _LEAF, 9: _LEAF}
    | {10: _LEAF, 11: _LEAF, 12: _LEAF, 13: _LEAF, 14: _LEAF, 16: _LEAF},
}


@dataclass(frozen=True, slots=True)
class GraphFacts:
    operators: frozenset[str]
    first: tuple[str, ...]
    """the first operators in the order of the file"""
    half: bool
    external_data: bool
    """something is kept in another file, whether weights or a compiled context"""

    @property
    def quantised(self) -> bool:
        """Whether some of it runs in 8 bits. ONNX Runtime's WeightBiasQuantization harms these:
        it corrupts half-precision scales, and quantises what was kept in float."""
        return "DequantizeLinear" in self.operators


def graph_facts(model: bytes) -> GraphFacts:
    """Read the facts; a file that is no ONNX message to the last byte is refused."""
    walk = _Walk()
    try:
        walk.message("model", memoryview(model), 0)
        if walk.bodies != 1:
            raise ValueError("it holds no graph" if not walk.bodies else "it holds two graphs")
    except (IndexError, ValueError) as error:
        raise EmbedgeError(
            "E-GRAPH",
            f"this is not an ONNX model: {error}",
            remedy="Export the model again",
        ) from error
    first = tuple(walk.operators[:_FIRST])
    return GraphFacts(frozenset(walk.operators), first, walk.half, walk.external)


@dataclass(slots=True)
class _Walk:
    wire: Wire = field(default_factory=Wire)
    bodies: int = 0
    operators: list[str] = field(default_factory=list)
    half: bool = False
    external: bool = False

    def message(self, kind: str, body: memoryview, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("its graphs are nested too deeply")
        parts = _PARTS[kind]
        for number, value in self.wire.fields(body):
            self._note(kind, number, value)
            if not isinstance(value, memoryview):
                continue
            if number not in parts:
                raise ValueError(f"field {number} of a {kind} is not known")
            if parts[number]:
                self.message(parts[number], value, depth + (parts[number] == "graph"))

    def _note(self, kind: str, number: int, value: int | memoryview | None) -> None:
        if kind == "tensor":
            self.half = self.half or (number == 2 and value == _FLOAT16)
            # any place but the file itself: what a longer number is cut to is left to no parser
            self.external = self.external or number == 13 or (number == 14 and value != 0)
        elif kind == "node" and number == 4 and isinstance(value, memoryview):
            self.operators.append(bytes(value).decode())
            self.external = self.external or self.operators[-1] == "EPContext"
        elif kind == "model" and number == 7:
            self.bodies += 1
