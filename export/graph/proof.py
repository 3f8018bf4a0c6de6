"""After every rewriting the float graph answers real pictures as the original does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph, Images, embeddings_of

__all__ = ["AGREED", "FEW_PICTURES", "Proof", "furthest"]

AGREED = 1e-4  # of a row's length: float32 rounding through fifty layers, nothing more
FEW_PICTURES = 8
_DIRECTIONLESS = 1e-12

Rows = NDArray[np.float32]


def furthest(expected: Rows, found: Rows) -> float:
    """The largest distance of two rows, as a share of the expected one's length."""
    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    before, after = (rows.reshape(len(rows), -1) for rows in (expected, found))
    lengths = np.maximum(np.linalg.norm(before, axis=1), _DIRECTIONLESS)
    return float((np.linalg.norm(after - before, axis=1) / lengths).max())


@dataclass(slots=True)
class Proof:
    """What the original answers to a few pictures. `watch(name, graph)` after each pass."""

    images: Images
    expected: Rows

    def __post_init__(self) -> None:
        if not np.isfinite(self.expected).all():
            raise EmbedgeError(
                "E-NAN",
                "the network answers real pictures with NaN or infinity",
                remedy="Check the weights and the normalisation of the model in float32 first",
            )

    @classmethod
    def of_graph(cls, graph: Graph, images: Images) -> "Proof":
        few = images[:: max(len(images) // FEW_PICTURES, 1)][:FEW_PICTURES]
        return cls(few, embeddings_of(graph, few))

    def watch(self, name: str, graph: Graph, agreed: float = AGREED) -> None:
        """Refuse a pass that changed the function."""
        self.holds(name, lambda: embeddings_of(graph, self.images), agreed)

    def distance(self, graph: Graph) -> float:
        """How far its answers are from the original's at most, in lengths of an embedding."""
        return furthest(self.expected, embeddings_of(graph, self.images))

    def holds(self, name: str, answers: Callable[[], Rows], agreed: float = AGREED) -> None:
        try:
            found = answers()
        except EmbedgeError as error:
            if error.code != "E-GRAPH":
                raise
            raise _changed(name, f"does not run: {error.what}") from error
        distance = furthest(self.expected, found)
        if not distance <= agreed:
            raise _changed(
                name,
                f"differs from the original by {distance:.1e} of an embedding's length"
                f" (at most {agreed:.0e})",
            )


def _changed(name: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-REWRITING",
        f"after the pass '{name}' the float graph {what}",
        remedy="Export the model without what this pass rewrites, and report the model's operators",
    )
