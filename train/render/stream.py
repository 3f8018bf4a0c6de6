"""Many faces on several processors: chunks in order, whatever the number of workers."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import starmap

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.renderer import FaceRenderer, RenderedFaces

__all__ = ["render_stream"]

Numbers = NDArray[np.integer]

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


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
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        multiprocessing.get_context("spawn"),
        _leave_ctrl_c_to_the_parent,
    )
    with _one_thread_each(), pool:
        try:
            yield from pool.map(_job, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """For processes started inside: OpenBLAS reads this once, when numpy is imported.

    Left to itself each worker would bring a thread per processor, and those wait by spinning.
    """
    before = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_BLAS_THREADS]
        else:
            os.environ[_BLAS_THREADS] = before


def _job(job: tuple[FaceRenderer, Numbers, Numbers]) -> RenderedFaces:
    return _render(*job)


def _render(renderer: FaceRenderer, identities: Numbers, samples: Numbers) -> RenderedFaces:
    return renderer.render(identities, samples)
