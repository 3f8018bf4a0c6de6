"""The embedding contract: everything two embeddings must share before they may be compared."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from embedge.errors import EmbedgeError
from embedge.files import sha256_json
from embedge.runtime.bundle.numbers import number, text, whole

__all__ = ["EmbeddingContract", "require_same_space"]

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
    mean: float = 127.5
    std: float = 127.5
    flip: str = "none"

    @property
    def digest(self) -> str:
        """sha256 over every field."""
        return sha256_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """A ValueError names the field that cannot be."""
        expected = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or set(value) != expected:
            raise EmbedgeError(
                "E-CONTRACT",
                f"the embedding contract must have exactly the fields {sorted(expected)}",
                remedy="Rebuild the bundle with this version of embedge",
            )
        size = whole(value["size"], "size", 16, 1024)
        return cls(
            space=text(value["space"], "space"),
            model=text(value["model"], "model"),
            dim=whole(value["dim"], "dim", 1, 16_384),
            size=size,
            template=_template(value["template"], size),
            colour=_one_of(value["colour"], "colour", ("RGB", "BGR")),
            mean=number(value["mean"], "mean", -1e4, 1e4),
            std=number(value["std"], "std", 1e-4, 1e4),
            flip=_one_of(value["flip"], "flip", ("none", "sum")),
        )


def _template(points: object, size: int) -> tuple[tuple[float, float], ...]:
    """Five points in the crop, or a little beside it."""
    pairs = points if isinstance(points, list | tuple) else ()
    if len(pairs) != 5 or any(not isinstance(p, list | tuple) or len(p) != 2 for p in pairs):
        raise ValueError("template must be five points")
    low, high = -size, 2 * size
    template = tuple(
        (number(x, "template", low, high), number(y, "template", low, high)) for x, y in pairs
    )
    for axis in zip(*template):
        if max(axis) - min(axis) < size / 10:
            raise ValueError("the points of the template lie on one another")
    return template


def _one_of(value: object, name: str, choices: tuple[str, ...]) -> str:
    if value in choices:
        return str(value)
    raise ValueError(f"{name} is {str(value)[:60]!r}, it must be {' or '.join(choices)}")


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
