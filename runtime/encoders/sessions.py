"""ONNX Runtime sessions that never fall back silently and never read files nobody named.

Before an engine sees a model, its bytes are walked by the schema of ONNX without a parser library:
operators, half precision, and whether anything is kept in another file, in every tensor wherever
it may stand. What the schema does not know is refused, because a part that cannot be read cannot
be vouched for.

The wire format of protobuf is read strictly: one way to write each thing, and a bound on its parts.
A lenient reader and another lenient reader understand the same bytes differently; what is strange
here (a number written longer than it is, a group, a tag beyond 32 bits) no exporter writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError, ours
from embedge.runtime.reading import read_bytes

__all__ = [
    "GraphFacts",
    "Wire",
    "graph_facts",
    "model_bytes",
    "ort_session",
    "require_self_contained",
    "require_threads",
    "run_session",
]

_LARGEST_MODEL = 2 << 30  # what protobuf can hold
_MOST_THREADS = 512
CPU = "CPUExecutionProvider"

Field = tuple[int, int | memoryview | None]
_FLOAT16 = 10
_FIRST = 8
_DEEPEST = 20  # graphs within graphs; a branch within a loop within a branch is 3
_MOST_FIELDS = 2_000_000
_LONGEST_TAG, _LONGEST_NUMBER = 5, 10
_FIXED = {1: 8, 5: 4}
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


def ort_session(
    model: bytes | str | Path,
    *,
    threads: int | None = None,
    require_provider: str | None = None,
    providers: Sequence[str] | None = None,
    profile: Path | None = None,
    weights: Mapping[str, Any] | None = None,
) -> Any:
    """A session on `require_provider`, else on the first of `providers`, else on the CPU.

    With `profile`, a path prefix, onnxruntime writes down which provider ran each node. `weights`
    are arrays for a graph of our own that names them as kept elsewhere: as large as they are, they
    do not go through a message, nor into the arena, which never gives memory back. The caller
    keeps them, unless onnxruntime has laid them out in another way.
    """
    data = model if isinstance(model, bytes) else model_bytes(Path(model))
    facts = graph_facts(data) if weights else require_self_contained(data)
    wanted = _wanted(require_provider, providers)
    # This optimizer writes half-precision scales wrongly (cosine 0.6 against the float graph), and
    # gives layers that a mixed-precision plan keeps in float weights of 8 bits and one scale.
    disabled = ["WeightBiasQuantization"] if facts.quantised else []
    session = _started(data, wanted, _options(threads, profile, weights), disabled)
    if hasattr(session, "_model_bytes"):  # kept for that fallback: as large as the model itself
        session._model_bytes = b""
    if session.get_providers()[0] != wanted[0]:
        raise _no_provider(wanted[0], f"only {session.get_providers()[0]} started")
    return session


def require_self_contained(model: bytes) -> GraphFacts:
    """What the model says of itself, or an error where it names another file."""
    facts = graph_facts(model)
    if facts.external_data:
        raise EmbedgeError(
            "E-GRAPH",
            "the model keeps weights or compiled code in other files, which are not read",
            remedy="Export it as one file (external_data=False)",
        )
    return facts


def run_session(session: Any, output: str | None, feeds: dict[str, Any]) -> list[Any]:
    """Run the graph; what onnxruntime raises becomes an error with a code."""
    try:
        return list(session.run(None if output is None else [output], feeds))
    except ours(Exception) as error:  # onnxruntime raises a dozen unrelated classes
        raise EmbedgeError(
            "E-GRAPH",
            f"the model failed while running: {_first_line(error)}",
            remedy="Export it again; it may be built for other inputs",
        ) from error


def _started(data: bytes, providers: list[str], options: Any, disabled: list[str]) -> Any:
    import onnxruntime  # after embedge.runtime has switched its telemetry off

    missing = [name for name in providers if name not in onnxruntime.get_available_providers()]
    if missing:
        offered = ", ".join(onnxruntime.get_available_providers())
        raise _no_provider(missing[0], f"this onnxruntime offers {offered}")
    try:
        return onnxruntime.InferenceSession(
            data,
            sess_options=options,
            providers=providers,
            disabled_optimizers=disabled,
            enable_fallback=0,  # else a provider that fails is replaced by the CPU
        )
    except ours(Exception) as error:  # onnxruntime raises a dozen unrelated classes
        raise EmbedgeError(
            "E-GRAPH",
            f"onnxruntime cannot load the model: {_first_line(error)}",
            remedy="Check that the file is whole and the onnxruntime recent enough for its opset",
        ) from error


def _options(threads: int | None, profile: Path | None, weights: Mapping[str, Any] | None) -> Any:
    import onnxruntime  # after embedge.runtime has switched its telemetry off

    options = onnxruntime.SessionOptions()
    # else four bytes decide for a format that nobody has looked through
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if weights:
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        values = map(onnxruntime.OrtValue.ortvalue_from_numpy, weights.values())
        options.add_external_initializers(list(weights), list(values))
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    options.log_severity_level = 4  # errors reach the user as exceptions already
    options.inter_op_num_threads = 1
    if threads is not None:
        options.intra_op_num_threads = require_threads(threads)
    return options


def require_threads(threads: int) -> int:
    """A number of threads that an engine may be asked to start."""
    if isinstance(threads, int) and 1 <= threads <= _MOST_THREADS:
        return threads
    raise EmbedgeError(
        "E-THREADS",
        f"cannot run on {threads} threads",
        remedy=f"Give 1 or more, up to {_MOST_THREADS}",
    )


def _wanted(require_provider: str | None, providers: Sequence[str] | None) -> list[str]:
    if require_provider is None:
        return list(providers or [CPU])
    rest = [name for name in (providers or [CPU]) if name != require_provider]
    return [require_provider, *rest]


def model_bytes(path: Path) -> bytes:
    """The file's bytes, once: what is looked through is what is loaded."""
    try:
        return read_bytes(path, _LARGEST_MODEL)
    except ours((OSError, ValueError)) as error:  # ValueError: a null byte in the name
        raise EmbedgeError(
            "E-MODEL-MISSING",
            f"cannot read the model: {getattr(error, 'strerror', None) or error}",
            where=path,
            remedy="Check the path and its permissions",
        ) from error


def _no_provider(name: str, why: str) -> EmbedgeError:
    return EmbedgeError(
        "E-PROVIDER",
        f"the execution provider {name} is not available: {why}",
        remedy="Install the onnxruntime build that has it, or ask for another provider",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def graph_facts(model: bytes) -> GraphFacts:
    """Read the facts; a file that is no ONNX message to the last byte is refused."""
    walk = _Walk()
    try:
        walk.message("model", memoryview(model), 0)
        if walk.bodies != 1:
            raise ValueError("it holds no graph" if not walk.bodies else "it holds two graphs")
    except ours((IndexError, ValueError)) as error:
        raise EmbedgeError(
            "E-GRAPH", f"this is not an ONNX model: {error}", remedy="Export the model again"
        ) from error
    first = tuple(walk.operators[:_FIRST])
    return GraphFacts(frozenset(walk.operators), first, walk.half, walk.external)


class Wire:
    """Reads messages of one file; all of them together may hold so many fields and no more."""

    def __init__(self, most: int = _MOST_FIELDS) -> None:
        self._left = most

    def fields(self, message: memoryview) -> Iterator[Field]:
        """(field number, value): an integer, the bytes of a part, or None for a fixed number."""
        position, end = 0, len(message)
        while position < end:
            self._spend()
            tag, position = _number(message, position, _LONGEST_TAG)
            number, wire = tag >> 3, tag & 7
            if not number or tag >= 1 << 32:
                raise ValueError("a field's number is 0, or longer than it needs to be")
            if wire == 0:
                value, position = _number(message, position, _LONGEST_NUMBER)
                yield number, value
                continue
            length = _FIXED.get(wire)
            if wire == 2:
                length, position = _number(message, position, _LONGEST_TAG)
            if length is None:
                raise ValueError(f"wire type {wire} at byte {position}")
            if position + length > end:
                raise ValueError("it is cut short")
            yield number, message[position : position + length] if wire == 2 else None
            position += length

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has more parts than any model")


def _number(message: memoryview, position: int, longest: int) -> tuple[int, int]:
    """A varint in its shortest form."""
    value = shift = 0
    for _ in range(longest):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if not byte and shift:
                raise ValueError(f"a number at byte {position} is longer than it needs to be")
            return value, position
        shift += 7
    raise ValueError("a number is too long")


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
