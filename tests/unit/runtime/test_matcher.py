"""The matcher decides at the artifact's threshold and says what it decided with."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import face_like, tiny_bundle, tiny_threshold

from embedge.errors import EmbedgeError
from embedge.runtime import FaceMatcher, Threshold
from embedge.runtime.contract import ARCFACE_112
from embedge.runtime.picture.align import aligned_crop


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny.embedge")


@pytest.fixture(scope="module")
def matcher(bundle: Path) -> Iterator[FaceMatcher]:
    with FaceMatcher.load(bundle, threads=1) as matcher:
        yield matcher


def test_the_same_picture_matches_and_another_does_not(matcher: FaceMatcher) -> None:
    same = matcher.verify(face_like(1), face_like(1))
    assert same.match
    assert same.cosine == pytest.approx(1.0, abs=1e-6)
    other = matcher.verify(face_like(1), face_like(2))
    assert not other.match
    assert other.cosine < 0.3
    assert other.threshold == tiny_threshold()
    assert (other.artifact, other.provider) == ("fp32", "CPUExecutionProvider")


def test_a_match_is_strictly_above_the_threshold(matcher: FaceMatcher) -> None:
    score = matcher.verify(face_like(1), face_like(2)).cosine
    at = tiny_threshold(score)
    below = tiny_threshold(float(np.nextafter(score, -1)))
    assert not matcher.verify(face_like(1), face_like(2), threshold=at).match
    assert matcher.verify(face_like(1), face_like(2), threshold=below).match
    with pytest.raises(EmbedgeError, match=r"E-THRESHOLD.*a bare number"):
        matcher.verify(face_like(1), face_like(2), threshold=0.3)  # type: ignore[arg-type]


def test_one_picture_gives_a_vector_several_a_matrix(matcher: FaceMatcher) -> None:
    faces = [face_like(seed) for seed in range(3)]
    rows = matcher.embed(faces)
    assert rows.shape == (3, 64)
    assert np.allclose(matcher.embed(faces[1]), rows[1], atol=1e-6)
    assert np.allclose(matcher.embed(np.stack(faces)), rows, atol=1e-6)
    several: Any = dict(enumerate(faces)).values()
    assert np.array_equal(matcher.embed(several), rows)
    assert matcher.embed([]).shape == (0, 64)


def test_a_larger_picture_needs_landmarks(matcher: FaceMatcher) -> None:
    scene = face_like(3, 300)
    with pytest.raises(EmbedgeError, match=r"E-NOT-ALIGNED.*300×300.*landmarks"):
        matcher.embed(scene)
    points = np.array(ARCFACE_112) * 2 + 30
    crop = aligned_crop(scene, points, ARCFACE_112, 112)
    assert np.allclose(matcher.embed(scene, points), matcher.embed(crop), atol=1e-6)
    result = matcher.verify(scene, crop, landmarks=(points, None))
    assert result.cosine == pytest.approx(1, abs=1e-6)
    with pytest.raises(EmbedgeError, match="E-LANDMARKS"):
        matcher.embed([scene, scene], [points])
    for wrong in ("abc", [[1, 2], [3]], [[None, 1]] * 5, np.full((5, 2), np.nan)):
        with pytest.raises(EmbedgeError, match="E-LANDMARKS"):
            matcher.embed(scene, wrong)


def test_an_artifact_without_a_threshold_cannot_decide(bundle: Path) -> None:
    with FaceMatcher.load(bundle, "raw") as matcher:
        assert matcher.embed(face_like(0)).shape == (64,)
        with pytest.raises(EmbedgeError, match="E-THRESHOLD"):
            matcher.verify(face_like(0), face_like(1))
        assert matcher.verify(face_like(0), face_like(0), threshold=tiny_threshold()).match


def test_threads_share_a_matcher(matcher: FaceMatcher) -> None:
    faces = [face_like(seed) for seed in range(24)]
    alone = [matcher.embed(face) for face in faces]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(matcher.embed, faces * 4))
    assert np.array_equal(np.stack(together), np.stack(alone * 4))


def test_two_models_live_in_one_process(bundle: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "other.embedge", name="other", dim=32)
    with FaceMatcher.load(bundle) as one, FaceMatcher.load(other) as two:
        assert one.embed(face_like(0)).shape == (64,)
        assert two.embed(face_like(0)).shape == (32,)


def test_a_closed_matcher_says_so(bundle: Path) -> None:
    with FaceMatcher.load(bundle) as matcher:
        pass
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        matcher.embed(face_like(0))


@pytest.mark.parametrize("batch", [0, -1, None, "4", 2.0, True])
def test_a_stream_takes_batches_of_at_least_one(matcher: FaceMatcher, batch: Any) -> None:
    def pulled() -> Iterator[np.ndarray]:
        raise AssertionError("nothing is read before the batch is known")
        yield

    with pytest.raises(EmbedgeError, match="E-OPTION: batch is"):
        matcher.stream(pulled(), batch=batch)
    rows = matcher.stream((face_like(seed) for seed in range(3)), batch=2)
    assert [row.shape for row in rows] == [(64,)] * 3


@pytest.mark.parametrize("pictures", [None, 5, "1.png", b"1.png"])
def test_a_stream_is_of_several(matcher: FaceMatcher, pictures: Any) -> None:
    with pytest.raises(EmbedgeError, match="E-OPTION: pictures is"):
        matcher.stream(pictures)


@pytest.mark.parametrize("fmr", [0, -1, 2, 1e400, math.inf, math.nan, "0.5", None, True])
def test_a_rate_is_a_share(matcher: FaceMatcher, fmr: Any) -> None:
    if fmr is None:
        assert matcher.threshold(fmr=None) == tiny_threshold()
        return
    with pytest.raises(EmbedgeError, match="E-OPTION: the false match rate"):
        matcher.threshold(fmr=fmr)


@pytest.mark.parametrize("value", ["0.5", None, math.nan, math.inf, [0.5]])
def test_a_threshold_by_hand_is_a_number(value: Any) -> None:
    with pytest.raises(EmbedgeError, match="E-THRESHOLD: the threshold"):
        Threshold.by_hand(value)
    half: Any = np.float32(0.5)
    assert Threshold.by_hand(half).value == 0.5


def test_a_threshold_of_something_else_decides_nothing(matcher: FaceMatcher) -> None:
    with pytest.raises(EmbedgeError, match="E-THRESHOLD"):
        matcher.decidable(tiny_threshold("0.5"))  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", [5, np.uint8(3), object(), {}, (face for face in ())])  # type: ignore[var-annotated]
def test_what_is_no_picture(matcher: FaceMatcher, picture: Any) -> None:
    with pytest.raises(EmbedgeError, match=r"E-IMAGE-ARRAY.*cannot be made from"):
        matcher.embed(picture)


@pytest.mark.parametrize("landmarks", [5, np.array(5), None, (None,), (None,) * 3])
def test_two_pictures_take_two_sets_of_landmarks(matcher: FaceMatcher, landmarks: Any) -> None:
    faces = [face_like(1), face_like(1)]
    if landmarks is None:
        assert matcher.verify(*faces, landmarks=landmarks).match
        return
    with pytest.raises(EmbedgeError, match="E-LANDMARKS"):
        matcher.verify(*faces, landmarks=landmarks)
    with pytest.raises(EmbedgeError, match="E-LANDMARKS"):
        matcher.embed(faces, landmarks)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"colour": "bgr"}, "E-IMAGE-ARRAY: there is no colour order 'bgr'"),
        ({"colour": ""}, "E-IMAGE-ARRAY"),
        ({"colour": {}}, "E-IMAGE-ARRAY"),
        ({"choice": "best"}, "E-OPTION: choice is 'best'"),
        ({"detector": 5}, "E-DETECTOR"),
        ({"threads": 2.5}, "E-THREADS"),
        ({"threads": "2"}, "E-THREADS"),
    ],
)
def test_mistakes_are_told_at_the_start(bundle: Path, options: dict[str, Any], code: str) -> None:
    with pytest.raises(EmbedgeError, match=code):
        FaceMatcher.load(bundle, **options)


@pytest.mark.parametrize("bundle", [None, 5, b"tiny.embedge", []])
def test_what_is_no_path_is_no_bundle(bundle: Any) -> None:
    with pytest.raises(EmbedgeError, match=r"E-BUNDLE-MISSING.*cannot be opened from"):
        FaceMatcher.load(bundle)
