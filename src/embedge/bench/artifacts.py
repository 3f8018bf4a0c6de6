"""Latency of a bundle's artifacts, side by side: one caller, batch 1, one and all threads."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from embedge.bench.core import ROUNDS, Timed, single_stream
from embedge.bench.machine.facts import cores
from embedge.bench.results import ArtifactLatency
from embedge.errors import EmbedgeError
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.bundled import encoder_on, runtime_of
from embedge.runtime.picture.images import RgbImage

__all__ = ["artifact_latency", "encoder_latency", "one_by_one", "thread_counts"]

_REPEATS = 0.5


def thread_counts() -> tuple[int, ...]:
    """One thread, and as many as this process may use."""
    return tuple(sorted({1, cores()}))


def artifact_latency(
    models: Mapping[str, Path | bytes],
    crops: RgbImage,
    *,
    threads: Sequence[int] | None = None,
    seconds: float = 20.0,
    rounds: int = ROUNDS,
    repeats: float = _REPEATS,
    on_round: Callable[[], object] = lambda: None,
) -> tuple[ArtifactLatency, ...]:
    """One row per artifact and thread count; `seconds` are shared by all of them.

    `crops` are faces, uint8 (N, size, size, 3): the time of a graph depends on its input, and
    zeros or noise would measure something nobody runs. At most `repeats` × `seconds` more are
    spent on repeating rounds that others disturbed.
    """
    pairs = [(name, count) for name in models for count in threads or thread_counts()]
    with ExitStack() as stack:
        opened = [
            (
                name,
                count,
                stack.enter_context(encoder_on(runtime_of(name), models[name], threads=count)),
            )
            for name, count in pairs
        ]
        return encoder_latency(
            opened, crops, seconds=seconds, rounds=rounds, repeats=repeats, on_round=on_round
        )


def encoder_latency(
    encoders: Sequence[tuple[str, int, Encoder]],
    crops: RgbImage,
    *,
    seconds: float,
    rounds: int = ROUNDS,
    repeats: float = _REPEATS,
    on_round: Callable[[], object] = lambda: None,
) -> tuple[ArtifactLatency, ...]:
    """The same rows for encoders of any engine: (artifact, threads, encoder)."""
    if not len(crops):
        raise EmbedgeError(
            "E-BENCH", "there is no face to measure on", remedy="Give at least one aligned crop"
        )
    subjects = [Timed(name, one_by_one(encoder, crops)) for name, _, encoder in encoders]
    measured = single_stream(
        subjects, seconds=seconds, rounds=rounds, repeats=repeats, on_round=on_round
    )
    return tuple(
        result.row(name, encoder.provider, threads=count)
        for (name, count, encoder), result in zip(encoders, measured)
    )


def one_by_one(encoder: Encoder, crops: RgbImage) -> Callable[[int], object]:
    """A call that embeds the i-th crop, round and round."""
    return lambda i: encoder.embed(crops[i % len(crops)][None])
