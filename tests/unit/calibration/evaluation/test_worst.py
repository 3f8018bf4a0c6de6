"""The worst pairs, beside a plain search."""

from typing import Any

import numpy as np
import pytest

from embedge.calibration.evaluation.worst import worst_pairs
from embedge.calibration.pairs import pairs_between, pairs_within


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("shared", [True, False])
def test_worst_pairs_match_a_plain_search(shared: bool) -> None:
    labels, each = np.repeat(np.arange(300), 4), np.arange(1200)
    gallery = embeddings(len(labels))
    probe = gallery if shared else embeddings(len(labels), seed=1)
    ids: dict[str, Any] = {"gallery_images": each, "probe_images": each}
    scores = (
        pairs_within(gallery, labels)
        if shared
        else pairs_between(gallery, labels, probe, labels, **ids)
    )
    found = worst_pairs(scores, 5)

    cosines = gallery @ probe.T
    best: dict[tuple[int, int], float] = {}
    worst: dict[int, float] = {}
    for i in range(len(labels)):
        for j in range(i + 1 if shared else 0, len(labels)):
            one, other = int(labels[i]), int(labels[j])
            if i == j:
                continue
            if one == other:
                worst[one] = min(worst.get(one, 2.0), float(cosines[i, j]))
            else:
                pair = (min(one, other), max(one, other))
                best[pair] = max(best.get(pair, -2.0), float(cosines[i, j]))
    top = sorted(best.values(), reverse=True)[:5]
    low = sorted(worst.items(), key=lambda item: item[1])[:5]
    assert [pair.score for pair in found.impostors] == pytest.approx(top, abs=1e-6)
    assert [labels[pair.gallery] for pair in found.genuines] == [person for person, _ in low]


def test_one_picture_each_leaves_no_genuine_pair() -> None:
    found = worst_pairs(pairs_within(embeddings(8), np.arange(8)), 4)
    assert found.genuines == ()
    assert len(found.impostors) == 4
