"""The embedding contract: everything two embeddings must share before they may be compared."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.files import sha256_json

__all__ = ["EmbeddingContract", "PerChannel", "require_same_space"]

# one number for all colours, or one for each, in the contract's colour order
PerChannel = float | tuple[float, float, float]

ARCFACE_112 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """How a picture becomes an embedding, and in which space the embedding lives.

    `space` ties a student to its teacher: embeddings of one space may be compared across models.
    `model` is the sha256 of the weights, so two students of one teacher share the space only.
    """

    space: str
    model: str
    dim: int
    size: int = 112
    template: tuple[tuple[float, float], ...] = ARCFACE_112
    colour: str = "RGB"
    mean: PerChannel = 127.5
    std: PerChannel = 127.5
    flip: str = "none"

    @property
    def digest(self) -> str:
        """sha256 over every field."""
        return sha256_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        expected = {field.name for field in fields(cls)}
        if set(value) != expected:
            raise EmbedgeError(
                "E-CONTRACT",
                f"the embedding contract has fields {sorted(value)}, expected {sorted(expected)}",
                remedy="Rebuild the bundle with this version of embedge",
            )
        template = tuple((float(x), float(y)) for x, y in value["template"])
        scales = {
            name: tuple(map(float, value[name])) if isinstance(value[name], list) else value[name]
            for name in ("mean", "std")
        }
        return cls(**{**value, **scales, "template": template})


def require_same_space(gallery: EmbeddingContract, probe: EmbeddingContract) -> None:
    """Refuse to compare embeddings of two spaces."""
    if gallery.space == probe.space and gallery.dim == probe.dim:
        return
    raise EmbedgeError(
        "E-SPACE",
        f"these embeddings live in different spaces: {gallery.space} ({gallery.dim}-d) and"
        f" {probe.space} ({probe.dim}-d)",
        remedy="Compare embeddings of one teacher and its students only, or enrol again",
    )
