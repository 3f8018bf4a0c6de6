"""One of the two spaces of a gallery: its contract, and how its templates are stored."""

from dataclasses import dataclass
from typing import Any

from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.sealed.templates import Template, is_unit
from embedge.runtime.gallery.search.int8 import Matrix, float_from_rows, int8_from_float

__all__ = ["SpaceSide", "exported"]


@dataclass(frozen=True, slots=True, eq=False)
class SpaceSide:
    """`across` is the space that the gallery is carried to, else it is that of its header."""

    contract: EmbeddingContract
    across: bool
    int8: bool

    @property
    def dim(self) -> int:
        return self.contract.dim

    def stored(self, embeddings: Embeddings) -> Matrix:
        return int8_from_float(embeddings) if self.int8 else embeddings

    def kept(self, embeddings: Embeddings) -> Matrix:
        """As they are stored, or refused where a byte a dimension holds too little of them."""
        matrix = self.stored(embeddings)
        if is_unit(matrix):
            return matrix
        raise EmbedgeError(
            "E-EMBEDDING",
            "an embedding has numbers so large that one byte a dimension cannot hold them",
            remedy="Use a gallery of float32 rows",
        )

    def template(self, record: str, enrolled: str, source: str, row: Matrix) -> Template:
        """A native one, of this side only."""
        if self.across:
            return Template(record, enrolled, source, None, row)
        return Template(record, enrolled, source, row)


def exported(each: Template, *, across: bool) -> dict[str, Any]:
    """`embedding` is what is searched; what is kept of the other model stands beside it."""
    told: dict[str, Any] = {"record": each.record, "enrolled": each.enrolled, "source": each.source}
    for name, side in (("embedding", across), ("other_embedding", not across)):
        if (row := each.at(across=side)) is not None:
            told[name] = float_from_rows(row[None])[0].tolist()
    if each.mark:
        told["bridged"] = True
    return told
