"""Latency of a bundle's artifacts, side by side: one caller, batch 1, one and all threads."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.bench.core import Subject, single_stream
from embedge.runtime.bench.machine import cores
from embedge.runtime.encoders import Encoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.images import RgbImage

__all__ = ["artifact_latency", "thread_counts"]


def thread_counts() -> tuple[int, ...]:
    """One thread, and as many as this process may use."""
    return tuple(sorted({1, cores()}))


def artifact_latency(
    models: Mapping[str, Path | bytes],
    crops: RgbImage,
    *,
    threads: Sequence[int] | None = None,
    seconds: float = 20.0,
    rounds: int = 5,
    repeats: float = 0.5,
    require_provider: str | None = None,
) -> list[dict[str, Any]]:
    """One row per artifact and thread count; `seconds` are shared by all of them.

    `crops` are faces, uint8 (N, size, size, 3): the time of a graph depends on its input, and
    zeros or noise would measure something nobody runs. At most `repeats` × `seconds` more are
    spent on repeating rounds that others disturbed.
    """
    if not len(crops):
        raise EmbedgeError(
            "E-BENCH", "there is no face to measure on", remedy="Give at least one aligned crop"
        )
    pairs = [(name, count) for name in models for count in threads or thread_counts()]
    with ExitStack() as stack:
        encoders = [
            stack.enter_context(
                OrtEncoder(models[name], threads=count, require_provider=require_provider)
            )
            for name, count in pairs
        ]
        measured = single_stream(
            [_subject(name, encoder, crops) for (name, _), encoder in zip(pairs, encoders)],
            seconds=seconds,
            rounds=rounds,
            repeats=repeats,
        )
        return [
            {
                "artifact": name,
                "threads": count,
                "batch": 1,
                "provider": encoder.provider,
                **result.to_json(),
            }
            for (name, count), encoder, result in zip(pairs, encoders, measured)
        ]


def _subject(name: str, encoder: Encoder, crops: RgbImage) -> Subject:
    return Subject(name, lambda i: encoder.embed(crops[i % len(crops)][None]))
