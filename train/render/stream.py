"""Many faces on several processors: chunks in order, whatever the number of workers."""

import multiprocessing
from collections.abc import Iterator
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.renderer import FaceRenderer, RenderedFaces

__all__ = ["render_stream"]

Numbers = NDArray[np.integer]


def render_stream(
    renderer: FaceRenderer,
    identities: Numbers,
    samples: Numbers,
    *,
    workers: int = 1,
    chunk: int = 256,
) -> Iterator[RenderedFaces]:
    """The faces of `renderer.render`, in chunks of the same order and bytes."""
    jobs = [
        (renderer, identities[low : low + chunk], samples[low : low + chunk])
        for low in range(0, len(identities), chunk)
    ]
    if workers <= 1 or len(jobs) <= 1:
        yield from starmap(_render, jobs)
        return
    # a fresh interpreter each: a fork would inherit the threads of a torch that is loaded here
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(jobs))) as pool:
        yield from pool.imap(_job, jobs)


def _job(job: tuple[FaceRenderer, Numbers, Numbers]) -> RenderedFaces:
    return _render(*job)


def _render(renderer: FaceRenderer, identities: Numbers, samples: Numbers) -> RenderedFaces:
    return renderer.render(identities, samples)
