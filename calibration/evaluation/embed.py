"""Embeddings of many faces: in chunks, cached, resumable, failures set apart."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import Faces
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.files import sha256_json, whole_file
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import normalised
from embedge.runtime.picture.images import RgbImage

__all__ = ["Acquisition", "Embedded", "FeatureEncoder", "Ticker", "embedded", "feature_chunks"]

_CHUNK = 512
# A picture that cannot be decoded is a failure to acquire; anything else is the user's mistake
_ACQUISITION = {"E-IMAGE", "E-IMAGE-MISSING", "E-IMAGE-SIZE", "E-LANDMARKS"}


class FeatureEncoder(Protocol):
    """An encoder that also hands out rows of their own length."""

    @property
    def contract(self) -> EmbeddingContract: ...
    @property
    def provider(self) -> str: ...
    def features(self, images: RgbImage) -> Float32: ...


class Ticker(Protocol):
    def advance(self, steps: int = 1, note: str = "") -> None: ...


@dataclass(slots=True)
class Acquisition:
    """Which faces could not be embedded, and why (failure to acquire, ISO/IEC 19795-1)."""

    attempted: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return len(self.failures) / self.attempted if self.attempted else 0.0

    def to_json(self) -> dict[str, object]:
        return {
            "attempted": self.attempted,
            "failed": len(self.failures),
            "rate": self.rate,
            "failures": dict(list(self.failures.items())[:100]),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Rows of length one; where `acquired` is False the row is zero and means nothing."""

    embeddings: Float32
    acquired: NDArray[np.bool_]
    acquisition: Acquisition


def embedded(
    faces: Faces, encoder: FeatureEncoder, *, cache: Path | None = None, ticker: Ticker | None
) -> Embedded:
    """Every face's embedding."""
    acquisition = Acquisition()
    rows = np.zeros((len(faces.names), encoder.contract.dim), np.float32)
    acquired = np.zeros(len(rows), bool)
    for first, features, good in feature_chunks(faces, encoder, acquisition, cache, ticker):
        acquired[first : first + len(good)] = good
        if good.any():
            rows[first : first + len(good)][good] = normalised(features[good])
    if len(rows) and not acquired.any():
        name, why = next(iter(acquisition.failures.items()))
        raise EmbedgeError(
            "E-NO-FACES",
            f"none of the {len(rows)} pictures could be used; the first: {why}",
            where=name,
            remedy="Check the folder and the list that names the pictures",
        )
    return Embedded(rows, acquired, acquisition)


def feature_chunks(
    faces: Faces,
    encoder: FeatureEncoder,
    acquisition: Acquisition,
    cache: Path | None,
    ticker: Ticker | None,
) -> Iterator[tuple[int, Float32, NDArray[np.bool_]]]:
    """(first face, rows of their own length, which of them exist), chunk by chunk."""
    for first in range(0, len(faces.names), _CHUNK):
        last = min(first + _CHUNK, len(faces.names))
        features, good, failures = _chunk(faces, encoder, first, last, cache)
        acquisition.attempted += last - first
        acquisition.failures.update(failures)
        yield first, features, good
        if ticker is not None:
            ticker.advance(last - first)


Chunk = tuple[Float32, NDArray[np.bool_], dict[str, str]]


def _chunk(
    faces: Faces, encoder: FeatureEncoder, first: int, last: int, cache: Path | None
) -> Chunk:
    if cache is None:
        return _computed(faces, encoder, first, last)
    key = sha256_json([encoder.contract.digest, encoder.provider, faces.stamp(first, last)])
    path = cache / f"{key}.npz"
    if path.exists():
        return _loaded(path)
    features, good, failures = _computed(faces, encoder, first, last)
    names = np.asarray(list(failures), dtype=np.str_)
    reasons = np.asarray(list(failures.values()), dtype=np.str_)
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez(stream, features=features, good=good, names=names, reasons=reasons)
    return features, good, failures


def _computed(faces: Faces, encoder: FeatureEncoder, first: int, last: int) -> Chunk:
    crops, good, failures = [], np.zeros(last - first, bool), {}
    for number in range(first, last):
        try:
            crops.append(faces.crop(number, encoder.contract))
            good[number - first] = True
        except EmbedgeError as error:
            if error.code not in _ACQUISITION:
                raise
            failures[faces.names[number]] = f"{error.code}: {error.what}"
    features = np.zeros((last - first, encoder.contract.dim), np.float32)
    if crops:
        features[good] = encoder.features(np.stack(crops))
    return features, good, failures


def _loaded(path: Path) -> Chunk:
    with np.load(path, allow_pickle=False) as stored:
        failures = dict(zip(stored["names"].tolist(), stored["reasons"].tolist()))
        return stored["features"], stored["good"], failures
