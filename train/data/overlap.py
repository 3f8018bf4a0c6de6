"""Whether pictures that are to be judged are learnt from as well, by the bytes that are stored."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import numpy as np

from embedge.errors import EmbedgeError
from embedge.train.data.dataset import CorruptRecord, FaceDataset, Labels

__all__ = ["require_apart"]

_READ = 20_000  # pictures, however many there are
_NAMED = 5


def require_apart(judged: FaceDataset, learnt: FaceDataset, remedy: str) -> None:
    """Refuse what is learnt from where it holds pictures of people who are to be judged."""
    if shared := list(islice(_shared(judged, learnt), _NAMED)):
        raise EmbedgeError(
            "E-DATA-SHARED",
            f"people to be judged on are learnt from, in the same pictures: {'; '.join(shared)}",
            where=learnt.name,
            remedy=remedy,
        )


def _shared(judged: FaceDataset, learnt: FaceDataset) -> Iterator[str]:
    sizes, others = judged.sizes(), learnt.sizes()
    asked = _affordable(judged.labels, sizes, others)
    known = {_digest(judged, index): index for index in asked}
    rows = np.flatnonzero(np.isin(others, sizes[asked]))
    for row in rows[:: 1 + len(rows) // _READ].tolist():
        index = known.get(_digest(learnt, row))
        if index is not None and _shows_something(judged, index):
            yield f"{judged.record_name(index)} is also {learnt.record_name(row)}"


def _affordable(labels: Labels, sizes: Labels, others: Labels) -> list[int]:
    """Pictures of which some other has the size: one of every person, then their second ones …"""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    many, left, seen, chosen = Counter(others[others > 0].tolist()), _READ, set[int](), list[int]()
    for index in order[np.argsort(np.arange(len(order)) - starts, kind="stable")].tolist():
        size = int(sizes[index])
        if size not in seen and (many[size] <= left or not chosen):
            left -= many[size]
            seen.add(size)
        if size in seen and many[size]:
            chosen.append(index)
    return chosen[:_READ]


def _digest(faces: FaceDataset, index: int) -> bytes | str:
    try:
        return hashlib.sha256(faces.encoded(index) or b"").digest()
    except CorruptRecord:
        return f"{index} of {faces.name}"  # is like no other


def _shows_something(faces: FaceDataset, index: int) -> bool:
    """Pictures of one colour are alike wherever they come from, and so are broken ones."""
    try:
        return bool(np.ptp(faces.read(index)))
    except CorruptRecord:
        return False
