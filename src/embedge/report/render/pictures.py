"""The pictures of a report: small inline images, and the pairs that went worst."""

import base64
import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedge.calibration.evaluation.worst import ScoredPair

__all__ = ["picture_uri", "worst_section"]

_LONGEST_EDGE = 112
_QUALITY = 82


def picture_uri(rgb: NDArray[np.uint8]) -> str:
    """A uint8 RGB array as a JPEG data URI of at most 112 pixels a side."""
    image = Image.fromarray(rgb)
    image.thumbnail((_LONGEST_EDGE, _LONGEST_EDGE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def worst_section(
    impostors: Iterable[ScoredPair],
    genuines: Iterable[ScoredPair],
    *,
    comparison: str,
    threshold: float | None,
    label: Callable[[int], str],
    picture: Callable[[int], NDArray[np.uint8]] | None,
) -> dict[str, Any]:
    """`report["worst"]`; without `picture` (privacy) the pairs carry labels only."""

    def side(row: int, letter: str) -> dict[str, str]:
        shown = {letter: picture_uri(picture(row))} if picture else {}
        return {**shown, f"label_{letter}": label(row)}

    def rows(pairs: Iterable[ScoredPair]) -> list[dict[str, Any]]:
        return [
            {"cosine": round(pair.score, 4), **side(pair.gallery, "a"), **side(pair.probe, "b")}
            for pair in pairs
        ]

    return {
        "comparison": comparison,
        "threshold": threshold,
        "false_matches": rows(impostors),
        "false_non_matches": rows(genuines),
    }
