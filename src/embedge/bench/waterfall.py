"""Where the time of one verification goes: two pictures in, one decision out."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from embedge.bench.core import without_collector
from embedge.bench.results import StageLatency
from embedge.runtime.encoders import Encoder
from embedge.runtime.picture.align import aligned_crop
from embedge.runtime.picture.images import Picture, rgb_from_picture

__all__ = ["STAGES", "verification_waterfall"]

STAGES = ("decode", "align", "embed", "compare", "end to end")
_WARM_UP = 3

Query = tuple[Picture, ArrayLike]  # encoded picture, its five landmarks


def verification_waterfall(
    encoder: Encoder, queries: Sequence[tuple[Query, Query]], *, seconds: float = 5.0
) -> tuple[StageLatency, ...]:
    """Decode → align → embed → compare, both pictures in each stage; the whole beside it.

    The queries are walked through again and again until `seconds` have passed. A share is that of
    the end-to-end mean.
    """
    taken: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(_WARM_UP):
        _verify(encoder, *queries[0])
    with without_collector():
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds or not taken["end to end"]:
            left, right = queries[len(taken["end to end"]) % len(queries)]
            for stage, milliseconds in zip(STAGES, _verify(encoder, left, right)):
                taken[stage].append(milliseconds)
    whole = sum(taken["end to end"])
    return tuple(
        StageLatency.of(values, stage=stage, share=sum(values) / whole)
        for stage, values in taken.items()
    )


def _verify(encoder: Encoder, left: Query, right: Query) -> list[float]:
    """Milliseconds of each stage and of the whole."""
    clock = time.perf_counter
    contract = encoder.contract
    marks = [clock()]
    pictures = [rgb_from_picture(picture) for picture, _ in (left, right)]
    marks.append(clock())
    crops = [
        aligned_crop(picture, landmarks, contract.template, contract.size)
        for picture, (_, landmarks) in zip(pictures, (left, right))
    ]
    marks.append(clock())
    # one by one, as at a door: the second picture need not be there yet
    one, other = (encoder.embed(crop[None])[0] for crop in crops)
    marks.append(clock())
    float(np.dot(one, other))
    marks.append(clock())
    return [1e3 * value for value in (*np.diff(marks), marks[-1] - marks[0])]
