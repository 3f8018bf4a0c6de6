"""ONNX Runtime sessions that never fall back silently and never read files nobody named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.encoders.graph_facts import GraphFacts, graph_facts
from embedge.runtime.reading import read_bytes

__all__ = ["model_bytes", "ort_session", "require_self_contained", "require_threads", "run_session"]

_LARGEST_MODEL = 2 << 30  # what protobuf can hold
_MOST_THREADS = 512
CPU = "CPUExecutionProvider"


def ort_session(
    model: bytes | str | Path,
    *,
    threads: int | None = None,
    require_provider: str | None = None,
    providers: Sequence[str] | None = None,
    profile: Path | None = None,
    frugal: bool = False,
) -> Any:
    """A session on `require_provider`, else on the first of `providers`, else on the CPU.

    With `profile`, a path prefix, onnxruntime writes down which provider ran each node. A `frugal`
    session keeps its weights out of the arena, which never gives memory back.
    """
    data = model if isinstance(model, bytes) else model_bytes(Path(model))
    facts = require_self_contained(data)
    wanted = _wanted(require_provider, providers)
    # This optimizer writes half-precision scales wrongly (cosine 0.6 against the float graph), and
    # gives layers that a mixed-precision plan keeps in float weights of 8 bits and one scale.
    disabled = ["WeightBiasQuantization"] if facts.quantised else []
    session = _started(data, wanted, _options(threads, profile, frugal=frugal), disabled)
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
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
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
    except Exception as error:  # onnxruntime raises a dozen unrelated classes
        raise EmbedgeError(
            "E-GRAPH",
            f"onnxruntime cannot load the model: {_first_line(error)}",
            remedy="Check that the file is whole and the onnxruntime recent enough for its opset",
        ) from error


def _options(threads: int | None, profile: Path | None, *, frugal: bool) -> Any:
    import onnxruntime  # after embedge.runtime has switched its telemetry off

    options = onnxruntime.SessionOptions()
    # else four bytes decide for a format that nobody has looked through
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if frugal:
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
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
    if 1 <= threads <= _MOST_THREADS:
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
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
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
