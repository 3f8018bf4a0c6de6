"""Every comparison among labelled embeddings, block by block."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.scores import Float32, Int32, PairScores
from embedge.calibration.tails import TailCollector
from embedge.errors import EmbedgeError

__all__ = ["checked_embeddings", "pairs_between", "pairs_listed", "pairs_streamed", "pairs_within"]

TAIL_LIMIT = 8_000_000
_BLOCK = 2048
_LISTED = 1 << 12

ScoreBlock = tuple[Int32, Int32, Float32]


def pairs_within(
    embeddings: Float32, labels: ArrayLike, *, tail_limit: int = TAIL_LIMIT
) -> PairScores:
    """All unordered pairs of one set; an image is never compared with itself."""
    embeddings = checked_embeddings(embeddings, labels)
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    side = _Side.sorted_by_subject(embeddings, codes, None)
    return _scored(side, side, tail_limit)


def pairs_between(
    gallery: Float32,
    gallery_labels: ArrayLike,
    probe: Float32,
    probe_labels: ArrayLike,
    *,
    gallery_images: ArrayLike | None = None,
    probe_images: ArrayLike | None = None,
    tail_limit: int = TAIL_LIMIT,
) -> PairScores:
    """All pairs of a gallery and a probe set.

    Pairs of one image are left out: give both image id arrays where the sets may share images.
    """
    gallery = checked_embeddings(gallery, gallery_labels)
    probe = checked_embeddings(probe, probe_labels)
    both = np.concatenate([np.asarray(gallery_labels), np.asarray(probe_labels)])
    _, codes = np.unique(both, return_inverse=True)
    left = _Side.sorted_by_subject(gallery, codes[: len(gallery)], gallery_images)
    right = _Side.sorted_by_subject(probe, codes[len(gallery) :], probe_images)
    return _scored(left, right, tail_limit)


def pairs_listed(
    embeddings: Float32, labels: ArrayLike, pairs: ArrayLike, same: ArrayLike
) -> PairScores:
    """Listed (row, row) pairs. `labels` name the subjects; `same` says which pairs are genuine."""
    rows, verdicts = np.asarray(pairs, np.int32), np.asarray(same, bool)
    return pairs_streamed(embeddings, labels, [(rows, verdicts)])


def pairs_streamed(
    embeddings: Float32,
    labels: ArrayLike,
    blocks: Iterable[tuple[Int32, NDArray[np.bool_]]],
    *,
    tail_limit: int = TAIL_LIMIT,
) -> PairScores:
    """Blocks of listed pairs and their verdicts, never all in memory at once."""
    embeddings = checked_embeddings(embeddings, labels)
    _, codes = np.unique(np.asarray(labels), return_inverse=True)
    subjects = codes.astype(np.int32)
    impostors = TailCollector(tail_limit)
    genuine: list[Float32] = [np.empty(0, np.float32)]
    genuine_pairs: list[Int32] = [np.empty((0, 2), np.int32)]
    cells: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for pairs, same in _short(blocks):
        scores = np.einsum("nd,nd->n", embeddings[pairs[:, 0]], embeddings[pairs[:, 1]])
        genuine.append(scores[same])
        genuine_pairs.append(pairs[same])
        wrong = pairs[~same]
        impostors.add_scores(scores[~same], wrong)
        low, high = np.sort(subjects[wrong], axis=1).T
        cells.append(low.astype(np.int64) * (len(subjects) + 1) + high)
    keys, counts = np.unique(np.concatenate(cells), return_counts=True)
    return PairScores(
        *_ascending(np.concatenate(genuine), np.concatenate(genuine_pairs)),
        *impostors.sorted_tail(),
        impostors.body,
        subjects,
        subjects,
        within=True,
        cells=np.column_stack([*np.divmod(keys, len(subjects) + 1), counts]),
    )


def _short(
    blocks: Iterable[tuple[Int32, NDArray[np.bool_]]],
) -> Iterator[tuple[Int32, NDArray[np.bool_]]]:
    for pairs, same in blocks:
        for start in range(0, len(pairs), _LISTED):
            yield pairs[start : start + _LISTED], same[start : start + _LISTED]


def checked_embeddings(embeddings: Float32, labels: ArrayLike) -> Float32:
    """float32, one row per label, finite, of length one."""
    embeddings = np.asarray(embeddings, np.float32)
    if embeddings.ndim != 2 or len(embeddings) != len(np.asarray(labels)):
        raise _bad(f"{embeddings.shape} embeddings do not fit {len(np.asarray(labels))} labels")
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    if not np.isfinite(lengths).all():
        raise _bad(f"{int((~np.isfinite(lengths)).sum())} embeddings hold NaN or infinity")
    if np.abs(lengths - 1).max(initial=0.0) > 1e-3:
        raise _bad(f"embedding {int(np.abs(lengths - 1).argmax())} is not of length one")
    return embeddings


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side of a comparison, its rows sorted by subject so that genuine pairs lie together."""

    embeddings: Float32
    subjects: Int32
    order: Int32
    images: NDArray[np.generic] | None

    @classmethod
    def sorted_by_subject(
        cls, embeddings: Float32, codes: NDArray[np.int64], images: ArrayLike | None
    ) -> "_Side":
        order = np.argsort(codes, kind="stable").astype(np.int32)
        names = None if images is None else np.asarray(images)
        return cls(embeddings, codes.astype(np.int32), order, names)

    def blocks(self) -> Iterator[Int32]:
        for start in range(0, len(self.order), _BLOCK):
            yield self.order[start : start + _BLOCK]


def _scored(gallery: _Side, probe: _Side, tail_limit: int) -> PairScores:
    impostors = TailCollector(tail_limit)
    genuine: list[Float32] = [np.empty(0, np.float32)]
    genuine_pairs: list[Int32] = [np.empty((0, 2), np.int32)]
    for rows, columns, scores in _score_blocks(gallery, probe):
        if not _subjects_meet(gallery.subjects[rows], probe.subjects[columns]):
            impostors.add_block(scores, rows, columns)
            continue
        same = gallery.subjects[rows][:, None] == probe.subjects[columns]
        wanted = _different_images(gallery, probe, rows, columns)
        impostors.add_block(scores, rows, columns, wanted & ~same)
        row, column = np.nonzero(wanted & same)
        genuine.append(scores[row, column])
        genuine_pairs.append(np.stack([rows[row], columns[column]], axis=1))
    return PairScores(
        *_ascending(np.concatenate(genuine), np.concatenate(genuine_pairs)),
        *impostors.sorted_tail(),
        impostors.body,
        gallery.subjects,
        probe.subjects,
        within=gallery is probe,
    )


def _score_blocks(gallery: _Side, probe: _Side) -> Iterator[ScoreBlock]:
    """Blocks of scores; the next one is multiplied while the caller counts this one."""
    blocks = _multiplied(gallery, probe)
    with ThreadPoolExecutor(1) as ahead:
        running = ahead.submit(next, blocks, None)
        while (ready := running.result()) is not None:
            running = ahead.submit(next, blocks, None)
            yield ready


def _multiplied(gallery: _Side, probe: _Side) -> Iterator[ScoreBlock]:
    for number, rows in enumerate(gallery.blocks()):
        left = gallery.embeddings[rows]
        for other, columns in enumerate(probe.blocks()):
            if gallery is not probe or other >= number:
                yield rows, columns, left @ probe.embeddings[columns].T


def _subjects_meet(left: Int32, right: Int32) -> bool:
    """Whether two sorted blocks may share a subject."""
    return bool(left[0] <= right[-1] and right[0] <= left[-1])


def _different_images(
    gallery: _Side, probe: _Side, rows: Int32, columns: Int32
) -> NDArray[np.bool_]:
    if gallery is probe:
        if rows[0] == columns[0]:
            return ~np.tri(len(rows), len(columns), dtype=bool)
        return np.ones((len(rows), len(columns)), bool)
    if gallery.images is None or probe.images is None:
        return np.ones((len(rows), len(columns)), bool)
    different: NDArray[np.bool_] = gallery.images[rows][:, None] != probe.images[columns]
    return different


def _ascending(scores: Float32, pairs: Int32) -> tuple[Float32, Int32]:
    order = np.argsort(scores, kind="stable")
    return scores[order], pairs[order]


def _bad(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-EMBEDDINGS", what, remedy="Embed the images again with one working encoder"
    )
