"""The worst pairs are the worst pairs, and pictures stay small."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from embedge.export.report.pictures import picture_uri, worst_section


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("shared", [True, False])
def test_worst_pairs_match_a_plain_search(shared: bool) -> None:
    labels = np.repeat(np.arange(300), 4)
    gallery = embeddings(len(labels))
    probe = gallery if shared else embeddings(len(labels), seed=1)
    found = worst_section(gallery, probe, labels, None, comparison="x", most=5)

    cosines = gallery @ probe.T
    best: dict[tuple[int, int], float] = {}
    worst: dict[int, float] = {}
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            one, other = int(labels[i]), int(labels[j])
            if one == other:
                worst[one] = min(worst.get(one, 2.0), float(cosines[i, j]))
            else:
                pair = (min(one, other), max(one, other))
                best[pair] = max(best.get(pair, -2.0), float(cosines[i, j]))
    top = sorted(best.items(), key=lambda item: -item[1])[:5]
    low = sorted(worst.items(), key=lambda item: item[1])[:5]
    assert [pair["cosine"] for pair in found["false_matches"]] == pytest.approx(
        [cosine for _, cosine in top], abs=1e-4
    )
    assert [pair["label_a"] for pair in found["false_non_matches"]] == [
        f"person {person}" for person, _ in low
    ]
    assert "a" not in found["false_matches"][0]


def test_one_picture_each_leaves_no_genuine_pair() -> None:
    found = worst_section(embeddings(8), embeddings(8), np.arange(8), None, comparison="x", most=4)
    assert found["false_non_matches"] == []
    assert len(found["false_matches"]) == 4


def test_pictures_are_small_jpegs() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 360, 3), dtype=np.uint8)
    head, _, body = picture_uri(noise).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert image.size == (84, 112)
    assert len(body) < 16_000
