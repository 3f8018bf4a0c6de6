"""How near an artifact's embeddings are to the ones it should give."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.encoders import unit_rows

__all__ = ["Parity", "compare_embeddings"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosine between paired embeddings: mean, first percentile, worst, and how many."""

    mean: float
    p1: float
    minimum: float
    count: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare_embeddings(reference: Floats, found: Floats) -> Parity:
    """Rows are paired; they need not be normalised."""
    if reference.shape != found.shape or reference.ndim != 2 or not len(reference):
        raise EmbedgeError(
            "E-PARITY",
            f"embeddings of shape {found.shape} cannot be compared with {reference.shape}",
            remedy="Embed the same pictures with both graphs",
        )
    cosine = np.sum(_unit(reference) * _unit(found), axis=1)
    return Parity(
        mean=float(cosine.mean()),
        p1=float(np.quantile(cosine, 0.01)),
        minimum=float(cosine.min()),
        count=len(cosine),
    )


def _unit(rows: Floats) -> Floats:
    rows = rows.astype(np.float64)
    if not np.isfinite(rows).all():
        raise EmbedgeError(
            "E-NAN", "an embedding holds NaN or infinity", remedy="Check the graph in float32 first"
        )
    return unit_rows(rows)
