"""The pairs that went worst carry their faces, unless privacy asks, and pictures stay small."""

import base64
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedge.calibration.evaluation.figures import Line
from embedge.calibration.evaluation.worst import ScoredPair
from embedge.report.model import Pair, Report, Worst
from embedge.report.render.pictures import picture_uri, without_pictures, worst_section

PAIRS = [ScoredPair(0, 3, 0.71239), ScoredPair(2, 1, 0.4)]


def section(picture: Callable[[int], NDArray[np.uint8]] | None = None) -> Worst:
    return worst_section(
        PAIRS,
        PAIRS[:1],
        comparison="x",
        line=Line(0.5, "FMR 1 %"),
        label=lambda row: f"person {row}",
        picture=picture,
    )


def test_pairs_carry_their_cosine_labels_and_pictures() -> None:
    shades = [np.full((112, 112, 3), 60 * row, np.uint8) for row in range(4)]
    found = section(lambda row: shades[row])
    assert [pair.cosine for pair in found.false_matches] == [0.7124, 0.4]
    first = found.false_non_matches[0]
    assert (first.label_a, first.label_b) == ("person 0", "person 3")
    assert first.a == picture_uri(shades[0])
    assert first.b == picture_uri(shades[3])


def test_privacy_leaves_labels_only() -> None:
    first = section().false_matches[0]
    assert first == Pair(0.7124, None, None, "person 0", "person 3")


def test_a_report_can_lose_pictures_and_names_later(sample: Report) -> None:
    bare = without_pictures(sample)
    assert sample.worst
    assert bare.worst
    assert bare.worst.false_matches == tuple(Pair(p.cosine) for p in sample.worst.false_matches)
    assert bare.comparisons == sample.comparisons


def test_pictures_are_small_jpegs() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 360, 3), dtype=np.uint8)
    head, _, body = picture_uri(noise).partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert image.size == (84, 112)
    assert len(body) < 16_000
