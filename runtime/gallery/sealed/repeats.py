"""The same picture enrolled twice gives the same template, but for the last digits."""

import numpy as np

from embedge.runtime.gallery.search.int8 import Matrix

__all__ = ["first_like"]

_OFF = 1e-5  # a batch of another size, a product summed in another order


def first_like(rows: Matrix) -> list[int]:
    """For each row the first one that is the same; its own number where none is."""
    exact, dim = rows.astype(np.float32), rows.shape[1]
    # of a byte a dimension, a few may have been rounded the other way
    off = float(np.sqrt(dim / 50)) if rows.dtype == np.int8 else _OFF
    shadow = exact @ (np.random.default_rng(0).normal(size=dim) / np.sqrt(dim)).astype(np.float32)
    reach = 4 * off  # a shadow is no longer than this many times the difference that casts it
    order = np.argsort(shadow, kind="stable")
    ends = np.searchsorted(shadow[order], shadow[order] + reach, side="right")
    first = list(range(len(rows)))
    for start, end in enumerate(ends):
        if end - start < 2:
            continue
        near = order[start + 1 : end]
        same = np.linalg.norm(exact[near] - exact[order[start]], axis=1) <= off
        for row in near[same].tolist():
            oldest = min(first[row], first[int(order[start])])
            first[row] = first[int(order[start])] = oldest
    return [first[first[row]] for row in first]
