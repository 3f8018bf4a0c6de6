"""One of the two spaces of a gallery: its contract, and how its templates are stored."""

from dataclasses import dataclass
from typing import Any

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.sealed.templates import Template
from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows, int8_from_float

__all__ = ["Side", "exported"]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """`across` is the space that the gallery is carried to, else it is that of its header."""

    contract: EmbeddingContract
    across: bool
    rotation: Embeddings
    int8: bool

    @property
    def dim(self) -> int:
        return self.contract.dim

    def turned(self, embeddings: Embeddings) -> Embeddings:
        return embeddings @ self.rotation.T

    def stored(self, embeddings: Embeddings) -> Matrix:
        rows = self.turned(embeddings)
        return int8_from_float(rows) if self.int8 else rows

    def plain(self, matrix: Matrix) -> Embeddings:
        plain: Embeddings = float_from_rows(matrix) @ self.rotation
        return plain

    def template(self, record: str, enrolled: str, source: str, row: Matrix) -> Template:
        """A native one, of this side only."""
        if self.across:
            return Template(record, enrolled, source, None, row)
        return Template(record, enrolled, source, row)


def exported(each: Template, side: Side, other: Side) -> dict[str, Any]:
    """`embedding` is what is searched; what is kept of the other model stands beside it."""
    told: dict[str, Any] = {
        "record": each.record,
        "enrolled": each.enrolled,
        "source": each.source,
    }
    rows = each.at(across=side.across), each.at(across=not side.across)
    if rows[0] is not None:
        told["embedding"] = side.plain(rows[0][None])[0].tolist()
    if rows[1] is not None:
        told["other_embedding"] = other.plain(rows[1][None])[0].tolist()
    if each.mark:
        told["bridged"] = True
    return told
