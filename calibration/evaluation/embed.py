"""The one way to embed many faces: in chunks, cached, resumable, failures set apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.faces import CorruptRecord, Faces, StampedFaces
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.files import sha256_json, whole_file
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import normalised
from embedge.runtime.picture.images import RgbImage

__all__ = [
    "Chunk",
    "Embedded",
    "FeatureEncoder",
    "Ticker",
    "embedded",
    "feature_chunks",
    "kept_chunks",
]

_CHUNK = 512

Encode = Callable[[RgbImage], Float32]


class FeatureEncoder(Protocol):
    """An encoder that also hands out rows of their own length."""

    @property
    def contract(self) -> EmbeddingContract: ...
    @property
    def provider(self) -> str: ...
    def features(self, images: RgbImage) -> Float32: ...


class Ticker(Protocol):
    def advance(self, steps: int = 1, note: str = "") -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """`rows` of their own length, one for each True in `good`; the other faces are `failures`."""

    first: int
    rows: Float32
    good: NDArray[np.bool_]
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def faces(self) -> NDArray[np.int64]:
        """Whose the rows are."""
        return self.first + np.flatnonzero(self.good)


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Rows of length one; where `acquired` is False the row is zero and means nothing.

    `failures` says of every such face why (failure to acquire, ISO/IEC 19795-1).
    """

    embeddings: Float32
    acquired: NDArray[np.bool_]
    failures: dict[str, str]


def feature_chunks(
    faces: Faces,
    encode: Encode,
    *,
    size: int,
    start: int = 0,
    stop: int | None = None,
    ticker: Ticker,
) -> Iterator[Chunk]:
    """What `encode` answers to every face from `start` to `stop`, `size` at a time."""
    end = len(faces) if stop is None else stop
    for first in range(start, end, size):
        last = min(first + size, end)
        yield _encoded(faces, encode, first, last)
        ticker.advance(last - first)


def kept_chunks(
    faces: StampedFaces, encoder: FeatureEncoder, cache: Path | None, ticker: Ticker | None
) -> Iterator[Chunk]:
    """The same for a test, cut as the encoder wants its faces; chunks stay in the cache."""
    cut = faces.aligned_for(encoder.contract)
    for first in range(0, len(cut), _CHUNK):
        last = min(first + _CHUNK, len(cut))
        yield _kept(cut, encoder, first, last, cache)
        if ticker is not None:
            ticker.advance(last - first)


def embedded(
    faces: StampedFaces,
    encoder: FeatureEncoder,
    *,
    cache: Path | None = None,
    ticker: Ticker | None = None,
) -> Embedded:
    """Every face's embedding."""
    chunks = list(kept_chunks(faces, encoder, cache, ticker))
    failures = {name: why for chunk in chunks for name, why in chunk.failures.items()}
    acquired = np.concatenate([chunk.good for chunk in chunks])
    if not acquired.any():
        name, why = next(iter(failures.items()))
        raise EmbedgeError(
            "E-NO-FACES",
            f"none of the {len(faces)} pictures could be used; the first: {why}",
            where=name,
            remedy="Check the folder and the list that names the pictures",
        )
    rows = np.zeros((len(faces), encoder.contract.dim), np.float32)
    rows[acquired] = normalised(np.concatenate([c.rows for c in chunks if len(c.rows)]))
    return Embedded(rows, acquired, failures)


def _kept(
    faces: StampedFaces, encoder: FeatureEncoder, first: int, last: int, cache: Path | None
) -> Chunk:
    if cache is None:
        return _encoded(faces, encoder.features, first, last)
    facts = ["chunk/2", encoder.contract.digest, encoder.provider, faces.stamp(first, last)]
    path = cache / f"{sha256_json(facts)}.npz"
    if path.exists():
        return _loaded(path, first)
    chunk = _encoded(faces, encoder.features, first, last)
    _store(chunk, path)
    return chunk


def _encoded(faces: Faces, encode: Encode, first: int, last: int) -> Chunk:
    crops, good, failures = [], np.zeros(last - first, bool), {}
    for index in range(first, last):
        try:
            crops.append(faces.read(index))
            good[index - first] = True
        except CorruptRecord as error:
            failures[error.name] = error.reason
    rows = encode(np.stack(crops)) if crops else np.empty((0, 0), np.float32)
    return Chunk(first, rows, good, failures)


def _store(chunk: Chunk, path: Path) -> None:
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez(
            stream,
            rows=chunk.rows,
            good=chunk.good,
            names=np.asarray(list(chunk.failures), dtype=np.str_),
            reasons=np.asarray(list(chunk.failures.values()), dtype=np.str_),
        )


def _loaded(path: Path, first: int) -> Chunk:
    with np.load(path, allow_pickle=False) as stored:
        failures = dict(zip(stored["names"].tolist(), stored["reasons"].tolist()))
        return Chunk(first, stored["rows"], stored["good"], failures)
