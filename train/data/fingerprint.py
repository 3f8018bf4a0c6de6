"""What identifies a data set without reading all of it."""

import hashlib
from collections.abc import Iterable

import numpy as np

from embedge.train.data.dataset import Labels

__all__ = ["fingerprint_of", "sampled"]


def fingerprint_of(
    kind: str, labels: Labels, identities: tuple[str, ...], facts: Iterable[bytes]
) -> str:
    """sha256 over the labels, the identities' names and `facts`: sizes, offsets, sampled bytes."""
    digest = hashlib.sha256(kind.encode())
    digest.update(np.ascontiguousarray(labels, "<i8").tobytes())
    for part in (*(name.encode() for name in identities), *facts):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def sampled(count: int, samples: int = 64) -> list[int]:
    """Indices spread evenly over `count` records; their bytes go into the fingerprint."""
    spread = np.linspace(0, count - 1, min(samples, count)).astype(int)
    return [int(index) for index in np.unique(spread)]
