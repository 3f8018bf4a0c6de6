"""All shapes of a folder timed side by side on this device; NumPy and ONNX Runtime suffice."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from embedge.bench.artifacts import encoder_latency
from embedge.bench.fitting.shapes import FACES, LIST, DeviceTimes, Shapes, Timing
from embedge.bench.machine.facts import machine
from embedge.bench.results import ArtifactLatency
from embedge.errors import EmbedgeError
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.picture.images import RgbImage

__all__ = ["device_times"]

_SEPARATOR = "."


def device_times(
    folder: Path,
    *,
    seconds: float,
    threads: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> DeviceTimes:
    """Every precision of every shape in interleaved rounds, on the faces of the folder."""
    held, faces = Shapes.read(folder / LIST), _faces(folder / FACES)
    with ExitStack() as stack:
        opened = []
        for shape in held.shapes:
            for precision in shape.bytes:
                name = f"{shape.name}{_SEPARATOR}{precision}"
                encoder = OrtEncoder(folder / f"{name}.onnx", threads=threads)
                opened.append((name, threads, stack.enter_context(encoder)))
        tell(f"{len(opened)} networks, about {seconds:.0f} s")
        rows = encoder_latency(opened, faces, seconds=seconds)
        provider = opened[0][2].provider if opened else ""
    return DeviceTimes(
        machine=machine(),
        provider=provider,
        threads=threads,
        dim=held.dim,
        shapes=held.shapes,
        times=tuple(map(_timing, rows)),
    )


def _timing(row: ArtifactLatency) -> Timing:
    """The median, or of fewer runs than carry one the mean."""
    shape, _, precision = row.artifact.rpartition(_SEPARATOR)
    ms = row.mean if row.p50 is None else row.p50
    return Timing(
        shape=shape,
        precision=precision,
        ms=ms or row.max,
        interval=row.interval.get("p50"),
        runs=row.n,
        flagged=row.flagged,
    )


def _faces(path: Path) -> RgbImage:
    try:
        faces = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        why = f"the faces to measure on cannot be read: {error}"
        raise EmbedgeError("E-FIT", why, where=path, remedy=Shapes.remedy) from error
    return np.asarray(faces, np.uint8)
