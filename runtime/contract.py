"""The embedding contract: everything two embeddings must share before they may be compared.

It says how an aligned crop becomes what a network is fed.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError, ours
from embedge.files import sha256_json
from embedge.typed import Bound, Text, structured

__all__ = [
    "EmbeddingContract",
    "PerChannel",
    "arcface_template",
    "require_same_space",
    "tensor_from_crops",
]

ARCFACE_112 = (
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
)


def arcface_template(size: int) -> tuple[tuple[float, float], ...]:
    """The same five points in a crop of another size."""
    share = size / 112
    return tuple((x * share, y * share) for x, y in ARCFACE_112)


Colour = Literal["RGB", "BGR"]
Flip = Literal["none", "sum"]
# how foreign networks are fed, by common name
Feeding = Literal["rgb-scaled", "bgr-scaled", "rgb-plain", "bgr-plain", "rgb-imagenet"]
# one number for all colours, or one for each, in the contract's colour order
PerChannel = float | tuple[float, float, float]
_Mean = Annotated[float, Bound(-1e4, 1e4)]
_Std = Annotated[float, Bound(1e-4, 1e4)]


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """How a picture becomes an embedding, and in which space the embedding lives.

    `space` ties a student to its teacher: embeddings of one space may be compared across models.
    `model` is the sha256 of the weights, so two students of one teacher share the space only.
    """

    complete: ClassVar[bool] = True
    space: Text
    model: Text
    dim: Annotated[int, Bound(1, 16_384)]
    size: Annotated[int, Bound(16, 1024)] = 112
    template: tuple[tuple[float, float], ...] = ARCFACE_112
    colour: Colour = "RGB"
    mean: _Mean | tuple[_Mean, _Mean, _Mean] = 127.5
    std: _Std | tuple[_Std, _Std, _Std] = 127.5
    flip: Flip = "none"

    def __post_init__(self) -> None:
        """The template is five points in the crop, or a little beside it."""
        if len(self.template) != 5:
            raise ValueError("template must be five points")
        for axis in zip(*self.template):
            if min(axis) < -self.size or max(axis) > 2 * self.size:
                raise ValueError("the points of the template lie far outside the crop")
            if max(axis) - min(axis) < self.size / 10:
                raise ValueError("the points of the template lie on one another")

    @property
    def digest(self) -> str:
        """sha256 over every field."""
        return sha256_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        try:
            return structured(cls, value, name="contract")
        except ours(ValueError) as error:
            raise EmbedgeError(
                "E-CONTRACT",
                f"the embedding contract is not right: {error}",
                remedy="Export the model again with this version of embedge",
            ) from error


def tensor_from_crops(crops: NDArray[np.uint8], contract: EmbeddingContract) -> NDArray[np.float32]:
    """NCHW float32, mean and scale applied, in the contract's colour order."""
    if contract.colour == "BGR":
        crops = crops[..., ::-1]
    planes = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), dtype=np.float32)
    planes -= _for_each_plane(contract.mean)
    planes *= 1 / _for_each_plane(contract.std)
    return planes


def _for_each_plane(value: PerChannel) -> NDArray[np.float32]:
    return np.asarray(value, np.float32).reshape(-1, 1, 1)


def require_same_space(gallery: EmbeddingContract, probe: EmbeddingContract) -> None:
    """Refuse to compare embeddings of two spaces."""
    if gallery.space == probe.space and gallery.dim == probe.dim:
        return
    spaces = f"{gallery.space} ({gallery.dim}-d) and {probe.space} ({probe.dim}-d)"
    if gallery.space == probe.space:
        spaces = f"{gallery.dim} and {probe.dim} dimensions, both named {gallery.space}"
    raise EmbedgeError(
        "E-SPACE",
        f"these embeddings live in different spaces: {spaces}",
        remedy="Compare embeddings of one teacher and its students only, or enrol again",
    )
