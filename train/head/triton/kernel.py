"""The negatives' sums on a GPU: flash attention whose keys and values are both the head.

One program holds a tile of samples and walks through its share of the classes; each block of rows
is loaded once and serves as key (logits) and as value (gradient). Sums are float32 whatever the
head's precision. Shares are joined afterwards, like the shards of several ranks.
"""

import functools

import triton
import triton.language as tl

__all__ = ["TILES", "negatives_kernel", "tuned_kernel"]


@triton.jit
def negatives_kernel(
    unit_at,
    rest_at,
    weight_at,
    labels_at,
    length_at,
    largest_at,
    total_at,
    rows_at,
    batch,
    classes,
    share,
    scale,
    dim: tl.constexpr,
    HAS_REST: tl.constexpr,
    HAS_LENGTH: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    SAMPLES: tl.constexpr,
    CLASSES: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Grid: (tiles of samples, shares of classes). Logits are kept in base 2.

    `rest` is what `unit` lost when it was rounded to the head's precision.
    WIDEN multiplies in float32, for the interpreter, which has no bfloat16 products.
    """
    log2e: tl.constexpr = 1.4426950408889634
    split = tl.program_id(1)
    sample = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    feature = tl.arange(0, WIDTH)
    real = sample < batch
    whole = (real[:, None]) & (feature[None, :] < dim)
    unit = tl.load(unit_at + sample[:, None] * dim + feature[None, :], mask=whole, other=0.0)
    if WIDEN:
        unit = unit.to(tl.float32)
    if HAS_REST:
        rest = tl.load(rest_at + sample[:, None] * dim + feature[None, :], mask=whole, other=0.0)
        if WIDEN:
            rest = rest.to(tl.float32)
    label = tl.load(labels_at + sample, mask=real, other=-1)
    largest = tl.full([SAMPLES], -1e30, tl.float32)
    total = tl.zeros([SAMPLES], tl.float32)
    summed = tl.zeros([SAMPLES, WIDTH], tl.float32)
    end = tl.minimum((split + 1) * share, classes)
    for low in range(split * share, end, CLASSES):
        column = low + tl.arange(0, CLASSES)
        inside = column < end
        # 2 M classes of 1,024 features overflow 32 bits
        place = column.to(tl.int64)[:, None] * dim + feature[None, :]
        present = (inside[:, None]) & (feature[None, :] < dim)
        rows = tl.load(weight_at + place, mask=present, other=0.0)
        if WIDEN:
            rows = rows.to(tl.float32)
        logits = tl.dot(unit, tl.trans(rows), input_precision=PRECISION)
        if HAS_REST:
            logits = tl.dot(rest, tl.trans(rows), logits, input_precision=PRECISION)
        logits *= scale * log2e
        if HAS_LENGTH:
            shrink_row = tl.load(length_at + column, mask=inside, other=0.0)
            logits *= shrink_row[None, :]
        counts = (inside[None, :]) & (column[None, :] != label[:, None])
        logits = tl.where(counts, logits, float("-inf"))
        higher = tl.maximum(largest, tl.max(logits, 1))
        shrink = tl.exp2(largest - higher)
        weights = tl.exp2(logits - higher[:, None])
        total = total * shrink + tl.sum(weights, 1)
        if HAS_LENGTH:
            weights *= shrink_row[None, :]
        summed = summed * shrink[:, None]
        summed = tl.dot(weights.to(rows.dtype), rows, summed, input_precision=PRECISION)
        largest = higher
    out = split * batch + sample
    tl.store(largest_at + out, largest / log2e, mask=real)
    tl.store(total_at + out, total, mask=real)
    tl.store(rows_at + out[:, None].to(tl.int64) * dim + feature[None, :], summed, mask=whole)


# (samples, classes, warps, stages). A tile's sums, samples × width in float32, must fit the
# registers of its warps: these use no stack on sm_80 … sm_100, as NVIDIA's assembler tells. The
# tuner leaves out what does not fit the shared memory of the GPU at hand.
TILES = {
    128: ((128, 64, 8, 3), (64, 64, 8, 3), (64, 64, 4, 3)),
    256: ((64, 32, 8, 2), (32, 32, 4, 2)),
    512: ((64, 32, 8, 2), (32, 64, 8, 2), (32, 32, 8, 2), (16, 32, 4, 2)),
    1024: ((16, 32, 8, 2), (16, 16, 4, 2)),
}


@functools.cache
def tuned_kernel(width: int) -> triton.runtime.Autotuner:
    """The kernel with the tiles that fit this width; timed once per dimension and precision."""
    tiles = TILES[max(width, min(TILES))]
    configurations = [
        triton.Config({"SAMPLES": samples, "CLASSES": classes}, num_warps=warps, num_stages=stages)
        for samples, classes, warps, stages in tiles
    ]
    return triton.autotune(configurations, key=["dim"])(negatives_kernel)
