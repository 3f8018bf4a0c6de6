"""Encoders turn aligned crops into embeddings: one module per engine, imported when asked for."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.runtime.closing import Closing
from embedge.runtime.contract import EmbeddingContract, tensor_from_crops
from embedge.runtime.picture.images import RgbImage

__all__ = [
    "LARGEST_BATCH",
    "CropEncoder",
    "Embeddings",
    "Encoder",
    "RowEncoder",
    "checked_crops",
    "features_from_crops",
    "lengths_of",
    "misfit",
    "normalised",
    "require_steady",
    "tensor_from_crops",
    "unit_rows",
]

_UNSTEADY = 0.05  # of unit length; graphs quantised by what they see move a little
LARGEST_BATCH = 32  # keeps the working memory flat however many crops are given

Embeddings = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Encoder(Protocol):
    """What the matcher needs: a contract, the provider that really runs, and `embed`."""

    @property
    def contract(self) -> EmbeddingContract: ...
    @property
    def provider(self) -> str: ...
    def embed(self, images: RgbImage | Sequence[RgbImage]) -> Embeddings:
        """Aligned uint8 RGB crops (N, size, size, 3) to float32 (N, dim) rows of length one."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


class RowEncoder(Encoder, Protocol):
    """An encoder that also hands out rows of their own length, and takes tensors."""

    def features(self, images: RgbImage | Sequence[RgbImage]) -> Embeddings: ...
    def answers(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]: ...


class CropEncoder(Closing):
    """What every engine's encoder does around `_run`, which is never given more than `_batch`."""

    contract: EmbeddingContract
    _batch = LARGEST_BATCH

    def embed(self, images: RgbImage | Sequence[RgbImage]) -> Embeddings:
        """Aligned uint8 RGB crops (N, size, size, 3) to float32 (N, dim) rows of length one."""
        return normalised(self.features(images))

    def features(self, images: RgbImage | Sequence[RgbImage]) -> Embeddings:
        """The rows as the network gives them: template protocols weigh faces by their length."""
        crops = checked_crops(images, self.contract.size)
        return features_from_crops(crops, self.contract, self._run, batch=self._batch)

    def answers(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's rows for a tensor made in some other way than from crops."""
        return self._run(tensor)

    @abstractmethod
    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's rows for (n, 3, size, size)."""


def checked_crops(images: RgbImage | Sequence[RgbImage], size: int) -> RgbImage:
    """A uint8 array (N, size, size, 3), or a clear refusal."""
    shapes = {image.shape for image in images}
    if shapes <= {(size, size, 3)} and all(image.dtype == np.uint8 for image in images):
        return np.asarray(images, np.uint8).reshape(-1, size, size, 3)
    raise EmbedgeError(
        "E-CROP",
        f"expected aligned uint8 RGB crops ({size}, {size}, 3), got {sorted(shapes)}",
        remedy="Align the faces first: embedge.runtime.picture.align.aligned_crop",
    )


def features_from_crops(
    crops: RgbImage, contract: EmbeddingContract, run: Run, *, batch: int = LARGEST_BATCH
) -> NDArray[np.float32]:
    """The rows as the network gives them, `batch` crops at a time, mirrored ones added."""
    rows = []
    for start in range(0, len(crops), batch):
        part = crops[start : start + batch]
        row = run(tensor_from_crops(part, contract))
        if contract.flip == "sum":
            row = row + run(tensor_from_crops(part[:, :, ::-1], contract))
        rows.append(row)
    return np.concatenate(rows) if rows else np.empty((0, contract.dim), np.float32)


def normalised(embeddings: NDArray[np.float32]) -> Embeddings:
    """Rows of length one; a row that has no direction is refused, never passed on."""
    if not np.isfinite(embeddings).all() or (lengths_of(embeddings) < 1e-6).any():
        raise EmbedgeError(
            "E-EMBEDDING",
            "the model answered with a zero or not-a-number embedding",
            remedy="Check the model on this device: embedge verify on known pictures",
        )
    return unit_rows(embeddings).astype(np.float32)


def unit_rows(rows: NDArray[Real]) -> NDArray[Real]:
    """Rows of length one; a row without a direction stays as short as it is."""
    return np.asarray(rows / np.maximum(lengths_of(rows), 1e-12)[:, None], rows.dtype)


def lengths_of(rows: NDArray[Real]) -> NDArray[Real]:
    """As np.linalg.norm(rows, axis=1), which makes a TypeError of a deadline that comes within."""
    return np.asarray(np.sqrt(np.sum(rows * rows, axis=1)), rows.dtype)


def require_steady(
    features: Callable[[RgbImage], Embeddings], size: int, where: str | None = None
) -> None:
    """Refuse a network whose answer to a picture hangs on chance, or on what comes beside it."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):  # whoever embeds refuses what is no number
        together, again = unit_rows(features(pictures)), unit_rows(features(pictures))
        alone = unit_rows(np.concatenate([features(one[None]) for one in pictures]))
    for other, what in ((again, "when asked twice"), (alone, "alone and beside others")):
        if lengths_of(together - other).max() > _UNSTEADY:
            raise EmbedgeError(
                "E-UNSTEADY",
                f"the network answers one picture differently {what}",
                where=where,
                remedy="Export it in evaluation mode (model.eval()), without what mixes a batch",
            )


def misfit(kind: str, target: str, what: str) -> EmbedgeError:
    """Of a file that was converted from a bundle."""
    return EmbedgeError(
        "E-GRAPH",
        f"this {kind} is not the encoder its contract describes: {what}",
        remedy=f"Make it again from the bundle: embedge export-target BUNDLE --target {target}",
    )
