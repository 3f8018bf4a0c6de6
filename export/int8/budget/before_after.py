"""A float graph and its INT8 twin side by side: nearness, size, time."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.bench.core import Measured, Subject, single_stream
from embedge.export.graph.observe import DEFAULT_DOOR, batches_of
from embedge.export.parity import compare_embeddings
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = ["before_after", "embeddings_of"]

Images = NDArray[np.uint8]


def embeddings_of(model: bytes | Path, images: Images, *, threads: int | None = None) -> Any:
    """What a graph writes for uint8 (N,H,W,3) pictures, not normalised."""
    session = ort_session(model, threads=threads)
    name = session.get_inputs()[0].name
    return np.concatenate([run_session(session, None, {name: b})[0] for b in batches_of(images)])


def before_after(before: Path, after: Path, images: Images, *, seconds: float) -> dict[str, Any]:
    """Interleaved rounds on faces; a disturbed measurement says so."""
    parity = compare_embeddings(embeddings_of(before, images), embeddings_of(after, images))
    subjects = [Subject(path.name, _caller(path, images)) for path in (before, after)]
    measured = single_stream(subjects, seconds=seconds, rounds=5, repeats=0.5)
    rows = [_row(path, timing) for path, timing in zip((before, after), measured)]
    return {
        "parity": parity.to_json(),
        "before": rows[0],
        "after": rows[1],
        "speedup": rows[0]["p50_ms"] / rows[1]["p50_ms"],
        "disturbed": any(timing.flagged for timing in measured),
    }


def _caller(path: Path, images: Images) -> Any:
    session = ort_session(path, threads=1)
    name = session.get_inputs()[0].name
    tensors = [tensor_from_crops(images[i : i + 1], DEFAULT_DOOR) for i in range(len(images))]
    return lambda query: session.run(None, {name: tensors[query % len(tensors)]})


def _row(path: Path, timing: Measured) -> dict[str, Any]:
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "p50_ms": float(np.median(timing.milliseconds)),
        "calls": len(timing.milliseconds),
    }
