"""What an ONNX file says about itself, read from its bytes without a parser library.

Only field numbers of the ONNX protobuf schema are used: enough to know the operators, whether
half precision occurs and whether weights live outside the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from embedge.errors import EmbedgeError

__all__ = ["GraphFacts", "graph_facts"]

_FLOAT16 = 10
_FIRST = 8
Field = tuple[int, int | memoryview]


@dataclass(frozen=True, slots=True)
class GraphFacts:
    operators: frozenset[str]
    first: tuple[str, ...]
    """the first operators in the order of the file"""
    half: bool
    external_data: bool

    @property
    def quantised(self) -> bool:
        """Whether some of it runs in 8 bits. ONNX Runtime's WeightBiasQuantization harms these:
        it corrupts half-precision scales, and quantises what was kept in float."""
        return "DequantizeLinear" in self.operators


def graph_facts(model: bytes) -> GraphFacts:
    """Read the facts; a file that is no protobuf message is refused."""
    found = _Found()
    try:
        bodies = [(n, v) for n, v in _messages(memoryview(model)) if n in (7, 25)]
        if [number for number, _ in bodies].count(7) != 1:
            raise ValueError("it holds no graph")
        for number, body in bodies:
            _read_nodes(body, 1 if number == 7 else 7, found)
    except (IndexError, ValueError, RecursionError) as error:
        raise EmbedgeError(
            "E-GRAPH",
            f"this is not an ONNX model: {error}",
            remedy="Export the model again",
        ) from error
    first = tuple(found.operators[:_FIRST])
    return GraphFacts(frozenset(found.operators), first, found.half, found.external_data)


@dataclass(slots=True)
class _Found:
    operators: list[str] = field(default_factory=list)
    half: bool = False
    external_data: bool = False


def _read_nodes(body: memoryview, node_field: int, found: _Found) -> None:
    """A graph (nodes in field 1, initialisers in 5) or a function (nodes in field 7)."""
    for number, value in _messages(body):
        if number == node_field:
            _read_node(value, found)
        elif number == 5 and node_field == 1:
            _read_tensor(value, found)


def _read_node(node: memoryview, found: _Found) -> None:
    for number, value in _messages(node):
        if number == 4:
            found.operators.append(bytes(value).decode())
        elif number == 5:
            for part, content in _messages(value):  # an attribute: a tensor, or a graph
                if part in (5, 10):
                    _read_tensor(content, found)
                elif part in (6, 11):
                    _read_nodes(content, 1, found)


def _read_tensor(tensor: memoryview, found: _Found) -> None:
    for number, value in _fields(tensor):
        found.half = found.half or (number == 2 and value == _FLOAT16)
        stored_outside = number == 13 or (number == 14 and value == 1)
        found.external_data = found.external_data or stored_outside


def _messages(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, value in _fields(message):
        if isinstance(value, memoryview):
            yield number, value


def _fields(message: memoryview) -> Iterator[Field]:
    """(field number, integer or bytes) of one protobuf message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        match key & 7:
            case 0:
                value, position = _varint(message, position)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, position = _varint(message, position)
            case 5:
                length = 4
            case wire:
                raise ValueError(f"wire type {wire} at byte {position}")
        if position + length > len(message):
            raise ValueError("it is cut short")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
