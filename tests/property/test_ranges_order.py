"""What was counted does not depend on order or on batches."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedge.export.int8.ranges import METHODS, ValueCounts

values = arrays(
    np.float32,
    st.integers(2, 300),
    elements=st.floats(-1e6, 1e6, width=32, allow_nan=False),
)


@given(values, st.randoms(use_true_random=False), st.integers(1, 7))
def test_any_order_and_any_split_give_one_range(
    batch: np.ndarray, random: random.Random, parts: int
) -> None:
    whole = ValueCounts()
    whole.collect(batch)
    shuffled = batch.copy()
    random.shuffle(shuffled)  # type: ignore[arg-type]
    counted = ValueCounts()
    for part in np.array_split(shuffled, parts):
        counted.collect(part)
    assert np.array_equal(whole.counts, counted.counts)
    for method in METHODS:
        assert whole.compute(method) == counted.compute(method)
