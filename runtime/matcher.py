"""The matcher: pictures in, decisions out, at the threshold the bundle was calibrated to."""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from embedge.errors import EmbedgeError, ours
from embedge.runtime.bundle.bundle import Artifact, Bundle, unless_replaced
from embedge.runtime.bundle.manifest import Runtime
from embedge.runtime.closing import Closing
from embedge.runtime.encoders import Embeddings, Encoder
from embedge.runtime.encoders.bundled import chosen_artifact, encoder_from_bundle
from embedge.runtime.picture.detect import Choice, Detector
from embedge.runtime.picture.face_crop import FaceReader, ReadFace
from embedge.runtime.picture.images import Colour, Picture, is_one_picture
from embedge.runtime.picture.quality import Quality, QualityLimits
from embedge.runtime.policy import loosest
from embedge.runtime.threshold import DECIDES, Threshold
from embedge.typed import Bound, argument

__all__ = ["FaceMatcher", "Verification"]

_Batch = Annotated[int, Bound(1)]


@dataclass(frozen=True, slots=True)
class Verification:
    """A decision. `cosine` is in [-1, 1]; `match` means strictly above `threshold.value`."""

    match: bool
    cosine: float
    threshold: Threshold
    artifact: str
    provider: str
    quality: tuple[Quality, Quality]

    def __repr__(self) -> str:
        return (
            f"<Verification: {'match' if self.match else 'no match'}, cosine {self.cosine:.4f},"
            f" threshold {self.threshold.value:.4f} ({self.threshold.evidence()}),"
            f" {self.artifact} on {self.provider}>"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "match": self.match,
            "cosine": self.cosine,
            "threshold": self.threshold.to_json(),
            "artifact": self.artifact,
            "provider": self.provider,
            "quality": [quality.to_json() for quality in self.quality],
        }


class FaceMatcher(Closing):
    """Embeds faces and compares them; a context manager, safe to share between threads."""

    def __init__(
        self,
        encoder: Encoder,
        artifact: Artifact,
        reader: FaceReader | None = None,
        operating_points: Sequence[Threshold] = (),
    ) -> None:
        self._encoder = encoder
        self.artifact = artifact
        self.contract = encoder.contract
        self.reader = reader or FaceReader(encoder.contract)
        self._operating_points = tuple(operating_points)

    @classmethod
    @unless_replaced
    def load(
        cls,
        bundle: Bundle | str | os.PathLike[str],
        precision: str | None = None,
        *,
        runtime: Runtime | None = None,
        require_provider: str | None = None,
        threads: int | None = None,
        detector: Detector | str | Path | bytes | None = None,
        choice: Choice | str = Choice.ONE,
        limits: QualityLimits | None = None,
        aligned: bool = False,
        require_detection: bool | None = None,
        colour: Colour | None = None,
        trusted: Sequence[Path] = (),
        at_least: int | None = None,
        selftest: str | None = None,
    ) -> Self:
        """Load an artifact of a bundle by its name (fp32, fp16, int8-cpu …), or the default.

        It runs where it was made for: `runtime` ("openvino" …) takes the artifact of that one.
        `detector` (an ONNX file, or an object) and `limits` replace those the bundle brings.
        `require_provider="TensorRT"` runs the bundle's own engine for this device. `aligned`
        declares that all pictures are aligned crops, `colour` what the channels of all arrays are
        (OpenCV: "BGR"); see FaceReader for `require_detection`, and `Bundle.open`, to which a path
        goes, for `trusted` and `at_least`. `selftest` ("first", "always", "off") says when the
        bundle's golden vectors are asked for.
        """
        if isinstance(bundle, Bundle) and (trusted or at_least is not None):
            raise EmbedgeError(
                "E-OPTION",
                "the bundle is open already, so it is too late to say whom to trust",
                remedy="Give `trusted` and `at_least` to Bundle.open, or a path to load",
            )
        with ExitStack() as stack:
            if not isinstance(bundle, Bundle):
                opened = Bundle.open(bundle, trusted=trusted, at_least=at_least)
                bundle = stack.enter_context(opened)
            artifact = chosen_artifact(bundle, precision, runtime)
            reader = FaceReader.for_bundle(
                bundle,
                detector=detector,
                choice=choice,
                limits=limits,
                threads=threads,
                aligned=aligned,
                require_detection=require_detection,
                colour=colour,
            )
            encoder = encoder_from_bundle(
                bundle,
                artifact.name,
                runtime=runtime,
                require_provider=require_provider,
                threads=threads,
                selftest=selftest,
            )
            points = bundle.declared.known.thresholds.get(artifact.name, ())
            return cls(encoder, artifact, reader, points)

    def __repr__(self) -> str:
        looks = "no detector" if self.reader.detector is None else "with a detector"
        return f"<FaceMatcher: {self.artifact.name} on {self.provider}, {looks}>"

    @property
    def provider(self) -> str:
        """The execution provider that really runs."""
        return self._encoder.provider

    @overload
    def embed(
        self,
        images: Picture,
        landmarks: ArrayLike | None = None,
        *,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> Embeddings: ...
    @overload
    def embed(
        self,
        images: Sequence[Picture],
        landmarks: Sequence[ArrayLike | None] | None = None,
        *,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> Embeddings: ...
    def embed(
        self,
        images: Any,
        landmarks: Any = None,
        *,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> Embeddings:
        """One picture to (dim,), several to (N, dim).

        A face is detected and aligned, or aligned by its five `landmarks` (5, 2), in pixels.
        `aligned` declares crops of the contract's size; without a detector they need not be.
        """
        if is_one_picture(images):
            face = self.reader.read(images, landmarks, aligned=aligned, colour=colour)
            row: Embeddings = self.embed_faces([face])[0]
            return row
        points = _landmarks_each(landmarks, len(images))
        return self.embed_faces(
            [
                self.reader.read(picture, five, aligned=aligned, colour=colour)
                for picture, five in zip(images, points)
            ]
        )

    def embed_faces(self, faces: Sequence[ReadFace]) -> Embeddings:
        """Faces that were read before, to (N, dim)."""
        return self._encoder.embed([face.crop for face in faces])

    def stream(
        self,
        pictures: Iterable[Picture],
        *,
        batch: int = 16,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> Iterator[Embeddings]:
        """One embedding (dim,) a picture, in order; memory holds one batch of crops."""
        if isinstance(pictures, str | bytes | os.PathLike) or not isinstance(pictures, Iterable):
            raise EmbedgeError(
                "E-OPTION",
                f"pictures is {pictures!r:.80}",
                remedy="Give several pictures; embed takes a single one",
            )
        size = argument(_Batch, batch, "batch", "a whole number from 1 on")
        return self._streamed(pictures, size, aligned, colour)

    def _streamed(
        self, pictures: Iterable[Picture], batch: int, aligned: bool | None, colour: Colour | None
    ) -> Iterator[Embeddings]:
        pending: list[ReadFace] = []
        for picture in pictures:
            pending.append(self.reader.read(picture, aligned=aligned, colour=colour))
            if len(pending) == batch:
                yield from self.embed_faces(pending)
                pending.clear()
        yield from self.embed_faces(pending)

    def verify(
        self,
        a: Picture,
        b: Picture,
        *,
        landmarks: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        threshold: Threshold | None = None,
        aligned: bool | None = None,
        colour: Colour | None = None,
    ) -> Verification:
        """Are these the same person? Decided at the artifact's threshold unless one is given."""
        pairs = zip((a, b), _landmarks_each(landmarks, 2))
        faces = [self.reader.read(*pair, aligned=aligned, colour=colour) for pair in pairs]
        return self.verify_faces(*faces, threshold=threshold)

    def verify_faces(
        self, a: ReadFace, b: ReadFace, *, threshold: Threshold | None = None
    ) -> Verification:
        """The same for faces that were read before."""
        decided_at = self.decidable(threshold)
        one, other = self.embed_faces([a, b])
        cosine = float(np.clip(one @ other, -1.0, 1.0))
        return Verification(
            match=cosine > decided_at.value,
            cosine=cosine,
            threshold=decided_at,
            artifact=self.artifact.name,
            provider=self.provider,
            quality=(a.quality, b.quality),
        )

    def threshold(self, *, fmr: float | None = None) -> Threshold:
        """The artifact's calibrated threshold, or the loosest that is proven for `fmr`."""
        if fmr is not None:
            return loosest(self._calibrated(), fmr)
        if self.artifact.threshold is not None:
            return _decidable(self.artifact.threshold)
        others = ", ".join(f"{one.fmr_upper:.2g}" for one in self._operating_points)
        raise EmbedgeError(
            "E-THRESHOLD",
            f"the artifact {self.artifact.name} has no calibrated threshold",
            remedy=f"Ask for a false match rate that is calibrated (--fmr, one of {others})"
            if others
            else "Choose another artifact (--artifact), calibrate on more held-out people, or give"
            " a threshold of your own (--threshold; Threshold.by_hand in Python)",
        )

    def thresholds(self) -> tuple[Threshold, ...]:
        """Every operating point the bundle was calibrated at, the artifact's own first."""
        return (self.threshold(), *self._operating_points)

    def decidable(self, threshold: Threshold | None) -> Threshold:
        """The threshold, or an error where it would decide nothing; None takes the artifact's."""
        return self.threshold() if threshold is None else _decidable(threshold)

    def _calibrated(self) -> tuple[Threshold, ...]:
        own = self.artifact.threshold
        return (*((own,) if own else ()), *self._operating_points)

    def close(self) -> None:
        self._encoder.close()
        self.reader.close()


def _landmarks_each(landmarks: Any, pictures: int) -> list[ArrayLike | None]:
    """Of several pictures: a set of landmarks, or None, for each."""
    try:
        points = [None] * pictures if landmarks is None else list(landmarks)
    except TypeError:  # no several of anything
        told = f"that are {landmarks!r:.80}"
    else:
        if len(points) == pictures:
            return points
        told = f"for {len(points)}"
    raise EmbedgeError(
        "E-LANDMARKS",
        f"{pictures} pictures came with landmarks {told}",
        remedy="Give one set of landmarks, or None, for each picture",
    )


def _decidable(threshold: Threshold) -> Threshold:
    """The threshold, or an error where it would decide nothing."""
    if not isinstance(threshold, Threshold):
        why = "a bare number is no threshold: it says nothing of its error rates"
    else:
        try:
            if not math.isnan(DECIDES.check(threshold.value)):
                return threshold
            why = "a threshold that is no number decides nothing"
        except ours((TypeError, ValueError)) as error:
            why = f"this threshold decides nothing: {error}"
    raise EmbedgeError(
        "E-THRESHOLD",
        why,
        remedy="Pass a threshold that was measured: a cosine above -1, at most 1; Threshold.by_hand"
        " makes one of a number",
    )
