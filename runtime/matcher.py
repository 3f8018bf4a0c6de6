"""The matcher: pictures in, decisions out, at the threshold the bundle was calibrated to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from embedge.errors import EmbedgeError
from embedge.runtime.align import aligned_crop
from embedge.runtime.bundle import Artifact, Bundle
from embedge.runtime.encoders import Embeddings, Encoder
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.runtime.images import Picture, RgbImage, rgb_from_picture
from embedge.runtime.threshold import Threshold

__all__ = ["FaceMatcher", "Verification"]


@dataclass(frozen=True, slots=True)
class Verification:
    """A decision. `cosine` is in [-1, 1]; `match` means strictly above `threshold.value`."""

    match: bool
    cosine: float
    threshold: Threshold
    artifact: str
    provider: str

    def to_json(self) -> dict[str, Any]:
        return {
            "match": self.match,
            "cosine": self.cosine,
            "threshold": self.threshold.to_json(),
            "artifact": self.artifact,
            "provider": self.provider,
        }


class FaceMatcher:
    """Embeds faces and compares them; a context manager, safe to share between threads."""

    def __init__(self, encoder: Encoder, artifact: Artifact) -> None:
        self._encoder = encoder
        self.artifact = artifact
        self.contract = encoder.contract

    @classmethod
    def load(
        cls,
        bundle: Bundle | str | Path,
        precision: str | None = None,
        *,
        require_provider: str | None = None,
        threads: int | None = None,
    ) -> Self:
        """Load an artifact of a bundle by its name (fp32, fp16, int8-cpu …), or the default."""
        if not isinstance(bundle, Bundle):
            with Bundle.open(bundle) as opened:
                return cls.load(
                    opened, precision, require_provider=require_provider, threads=threads
                )
        artifact = bundle.artifact(precision)
        encoder = OrtEncoder(
            bundle.read(artifact.file),
            bundle.contract,
            require_provider=require_provider,
            threads=threads,
        )
        return cls(encoder, artifact)

    @property
    def provider(self) -> str:
        """The execution provider that really runs."""
        return self._encoder.provider

    @overload
    def embed(self, images: Picture, landmarks: ArrayLike | None = None) -> Embeddings: ...
    @overload
    def embed(
        self, images: Sequence[Picture], landmarks: Sequence[ArrayLike | None] | None = None
    ) -> Embeddings: ...
    def embed(self, images: Any, landmarks: Any = None) -> Embeddings:
        """One picture to (dim,), several to (N, dim).

        A picture of exactly the contract's size is taken as an aligned crop; a larger one needs
        its five `landmarks` (5, 2), in pixels.
        """
        if _is_one(images):
            return self._embed([images], [landmarks])[0]
        points = [None] * len(images) if landmarks is None else list(landmarks)
        if len(points) != len(images):
            raise EmbedgeError(
                "E-LANDMARKS",
                f"{len(images)} pictures came with landmarks for {len(points)}",
                remedy="Give one set of landmarks, or None, for each picture",
            )
        return self._embed(list(images), points)

    def verify(
        self,
        a: Picture,
        b: Picture,
        *,
        landmarks: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        threshold: Threshold | None = None,
    ) -> Verification:
        """Are these the same person? Decided at the artifact's threshold unless one is given."""
        decided_at = threshold or self._threshold()
        one, other = self._embed([a, b], list(landmarks))
        cosine = float(np.clip(one @ other, -1.0, 1.0))
        return Verification(
            match=cosine > decided_at.value,
            cosine=cosine,
            threshold=decided_at,
            artifact=self.artifact.name,
            provider=self.provider,
        )

    def _embed(self, pictures: list[Picture], landmarks: list[ArrayLike | None]) -> Embeddings:
        crops = [self._crop(*pair) for pair in zip(pictures, landmarks)]
        return self._encoder.embed(crops)

    def _crop(self, picture: Picture, landmarks: ArrayLike | None) -> RgbImage:
        image = rgb_from_picture(picture)
        size = self.contract.size
        if landmarks is not None:
            return aligned_crop(image, landmarks, self.contract.template, size)
        if image.shape[:2] == (size, size):
            return image
        raise EmbedgeError(
            "E-NOT-ALIGNED",
            f"the picture is {image.shape[1]}×{image.shape[0]}, an aligned crop is {size}×{size}",
            where=picture if isinstance(picture, str | Path) else None,
            remedy="Give an aligned crop, or the picture with its five landmarks",
        )

    def _threshold(self) -> Threshold:
        if self.artifact.threshold is not None:
            return self.artifact.threshold
        raise EmbedgeError(
            "E-THRESHOLD",
            f"the artifact {self.artifact.name} has no calibrated threshold",
            remedy="Choose another artifact, or pass a threshold measured on your own data",
        )

    def close(self) -> None:
        self._encoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_one(images: Any) -> bool:
    single_array = isinstance(images, np.ndarray) and images.ndim == 3
    return single_array or isinstance(images, str | Path | bytes)
