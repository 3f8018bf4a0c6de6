"""The pictures of a report: small inline images, and the pairs most worth looking at."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["picture_uri", "worst_section"]

_LONGEST_EDGE = 112
_QUALITY = 82
_ROWS = 512


def picture_uri(rgb: NDArray[np.uint8]) -> str:
    """A uint8 RGB array as a JPEG data URI of at most 112 pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((_LONGEST_EDGE, _LONGEST_EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def worst_section(
    gallery: NDArray[np.float32],
    probe: NDArray[np.float32],
    labels: NDArray[np.int64],
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8] | None,
    *,
    comparison: str,
    threshold: float | None = None,
    most: int = 10,
    names: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """`report["worst"]`: the closest strangers and the farthest same people, picture by picture.

    Row i of both embeddings and of `images` is picture i. Without `images` (privacy) the pairs
    carry labels only. Every pair of two different pictures counts once, and each person or pair
    of people appears once, because ten looks at one mistake teach no more than one.
    """
    strangers = _extreme_pairs(gallery, probe, labels, same=False, most=most)
    relatives = _extreme_pairs(gallery, probe, labels, same=True, most=most)

    def pair(found: tuple[float, int, int]) -> dict[str, Any]:
        cosine, one, other = found
        row: dict[str, Any] = {"cosine": round(cosine, 4)}
        for side, index in (("a", one), ("b", other)):
            if images is not None:
                row[side] = picture_uri(images[index])
            label = int(labels[index])
            row[f"label_{side}"] = (names or {}).get(label, f"person {label}")
        return row

    return {
        "comparison": comparison,
        "threshold": threshold,
        "false_matches": [pair(found) for found in strangers],
        "false_non_matches": [pair(found) for found in relatives],
    }


def _extreme_pairs(
    gallery: NDArray[np.float32],
    probe: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    same: bool,
    most: int,
) -> list[tuple[float, int, int]]:
    """(cosine, gallery row, probe row), worst first, one for each pair of people."""
    candidates: list[tuple[float, int, int]] = []
    for begin in range(0, len(gallery), _ROWS):
        candidates += _block_pairs(gallery, probe, labels, begin, same=same, most=most)
    candidates.sort(reverse=not same)
    chosen: dict[tuple[int, ...], tuple[float, int, int]] = {}
    for found in candidates:
        people = tuple(sorted((int(labels[found[1]]), int(labels[found[2]]))))
        chosen.setdefault(people, found)
    return list(chosen.values())[:most]


def _block_pairs(
    gallery: NDArray[np.float32],
    probe: NDArray[np.float32],
    labels: NDArray[np.int64],
    begin: int,
    *,
    same: bool,
    most: int,
) -> list[tuple[float, int, int]]:
    """The worst pairs of some gallery rows: enough of them that duplicates can be dropped."""
    cosines = gallery[begin : begin + _ROWS] @ probe.T
    rows = np.arange(begin, begin + len(cosines))[:, None]
    allowed = (labels[rows] == labels[None, :]) == same
    allowed &= rows < np.arange(len(probe))[None, :]  # each pair once, none with itself
    badness = np.where(allowed, -cosines if same else cosines, -np.inf)
    count = min(most * 20, badness.size)
    best = np.argpartition(badness, badness.size - count, axis=None)[-count:]
    return [
        (float(cosines[i, j]), begin + int(i), int(j))
        for i, j in zip(*np.unravel_index(best, badness.shape))
        if allowed[i, j]
    ]
