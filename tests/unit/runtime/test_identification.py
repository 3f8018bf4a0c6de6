"""Several faces in one picture, each with a decision; colours of arrays; what a result shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import (
    Face,
    FaceMatcher,
    Gallery,
    QualityLimits,
    SeenFace,
    Threshold,
    identify,
    identify_all,
)
from embedge.runtime.contract import ARCFACE_112

TEMPLATE = np.array(ARCFACE_112, np.float32)


class Planted:
    """Finds what was planted: faces side by side, 112 pixels each."""

    def __init__(self, *lefts: int) -> None:
        self.lefts = lefts

    def detect(self, image: np.ndarray) -> list[Face]:
        return [
            Face((left, 0, left + 112 + n, 112), 0.9, TEMPLATE + np.array([left, 0], np.float32))
            for n, left in enumerate(self.lefts)
        ]

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "tiny.embedge")


@pytest.fixture
def gallery(bundle: Path, tmp_path: Path) -> Iterator[Gallery]:
    with (
        FaceMatcher.load(bundle, aligned=True) as matcher,
        Gallery.create(tmp_path / "door.gallery", matcher.contract, key=bytes(32)) as new,
    ):
        new.enroll(["ann", "ben"], matcher.embed([face_like(1), face_like(2)]), matcher.contract)
        yield new


def frame(*seeds: int) -> np.ndarray:
    return np.hstack([face_like(seed) for seed in seeds])


def test_each_face_has_its_decision_the_largest_first(bundle: Path, gallery: Gallery) -> None:
    with FaceMatcher.load(bundle, detector=Planted(0, 112, 224)) as matcher:
        found = identify_all(matcher, gallery, frame(2, 1, 9), colour="RGB")
        assert [one.person for one in found] == [None, "ann", "ben"]
        for one, seed in zip(found, (9, 1, 2)):
            alone = identify(matcher, gallery, face_like(seed), aligned=True)
            assert one.found is not None
            assert one.found.person == alone.person
            # the same but for the rounding of a batch
            assert one.found.candidates[0].cosine == pytest.approx(
                alone.candidates[0].cosine, abs=1e-6
            )
        with pytest.raises(EmbedgeError, match=r"E-FACES.*--face largest or central"):
            identify(matcher, gallery, frame(2, 1, 9), colour="RGB")
    with FaceMatcher.load(bundle, detector=Planted()) as matcher:
        assert identify_all(matcher, gallery, frame(2)) == []


@pytest.mark.parametrize("rows", ["float32", "int8"])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_one_picture_under_two_names_is_neither(
    bundle: Path, tmp_path: Path, rows: str, count: int
) -> None:
    with FaceMatcher.load(bundle, aligned=True) as matcher:
        path, contract = tmp_path / "tied.gallery", matcher.contract
        with Gallery.create(path, contract, key=bytes(32), rows=rows) as gallery:
            gallery.enroll("eve", matcher.embed(face_like(1)), contract)
            gallery.enroll(["ann", "ben"], matcher.embed([face_like(1), face_like(2)]), contract)
            found = identify(matcher, gallery, face_like(1), count=count)
            assert (found.person, found.tied) == (None, ("ann", "eve"))
            assert repr(found).startswith("<Identification: one of ann, eve")
            assert found.to_json()["tied"] == ["ann", "eve"]
            other = identify(matcher, gallery, face_like(2), count=count)
            assert (other.person, other.tied) == ("ben", ())
            strict = Threshold.by_hand(0.99999999)
            assert identify(matcher, gallery, face_like(3), threshold=strict).tied == ()
            gallery.erase("eve")
            assert identify(matcher, gallery, face_like(1), count=count).person == "ann"


def test_unfit_faces_are_refused_and_the_others_decided(bundle: Path, gallery: Gallery) -> None:
    picture = frame(1, 2)
    picture[:, 112:] //= 12
    limits = QualityLimits(min_sharpness=0.0, min_brightness=30.0)
    with FaceMatcher.load(bundle, detector=Planted(0, 112), limits=limits) as matcher:
        dark, ann = identify_all(matcher, gallery, picture, colour="RGB")
    assert (dark.person, dark.found) == (None, None)
    assert "dark" in dark.refused
    assert ann.person == "ann"


def test_a_detection_that_is_no_face_is_left_out(bundle: Path, gallery: Gallery) -> None:
    class Odd(Planted):
        def detect(self, image: np.ndarray) -> list[Face]:
            return [*super().detect(image), Face((0, 0, 9, 9), 0.6, np.zeros((5, 2), np.float32))]

    with FaceMatcher.load(bundle, detector=Odd(0)) as matcher:
        assert [one.person for one in identify_all(matcher, gallery, frame(1), colour="RGB")] == [
            "ann"
        ]


def test_a_threshold_of_ones_own_proves_nothing(bundle: Path, gallery: Gallery) -> None:
    with FaceMatcher.load(bundle) as matcher:
        found = identify(matcher, gallery, face_like(9), threshold=Threshold.by_hand(-0.99))
    assert found.person is not None
    assert found.fpir == pytest.approx(1.0)
    assert found.threshold.evidence().startswith("your own number: no evidence")


SKIN = np.broadcast_to(np.array([200, 150, 120], np.uint8), (112, 112, 3)).copy()
SKIN[20:100, 30:50] -= 60  # a face is not of one brightness


def test_an_array_that_looks_like_bgr_is_told(bundle: Path, gallery: Gallery) -> None:
    with FaceMatcher.load(bundle, detector=Planted(0)) as matcher:
        right = matcher.embed(SKIN)
        bgr = np.ascontiguousarray(SKIN[..., ::-1])
        for look in (matcher.embed, lambda it: identify_all(matcher, gallery, it)):
            with pytest.raises(EmbedgeError, match=r'E-COLOUR.*looks like BGR.*colour="BGR"'):
                look(bgr)
        assert np.array_equal(matcher.embed(bgr, colour="BGR"), right)
        assert matcher.embed(bgr, colour="RGB") @ right < 1  # declared, so believed
        assert matcher.embed(Image.fromarray(bgr)).shape == right.shape  # it says it is RGB
    with FaceMatcher.load(bundle, detector=Planted(0), colour="BGR") as matcher:
        assert np.array_equal(matcher.embed(bgr), right)
        assert np.array_equal(matcher.embed([bgr, Image.fromarray(SKIN)])[1], right)


def test_results_show_what_matters(bundle: Path, gallery: Gallery) -> None:
    with FaceMatcher.load(bundle, detector=Planted(0)) as matcher:
        found = identify(matcher, gallery, face_like(1), aligned=True)
        (seen,) = identify_all(matcher, gallery, face_like(1), colour="RGB")
        verified = matcher.verify(face_like(1), face_like(1), aligned=True)
        assert "fp32 on CPUExecutionProvider, with a detector" in repr(matcher)
    assert repr(found).startswith("<Identification: ann, best Ranked(person='ann', cosine=")
    assert repr(seen).startswith("<SeenFace at (0, 0, 112, 112): <Identification: ann")
    assert repr(SeenFace(seen.face, seen.quality, (), None)).startswith("<SeenFace at")
    assert repr(verified).startswith("<Verification: match, cosine 1.0000, threshold 0.3000 (false")


def test_none_is_told(bundle: Path) -> None:
    with FaceMatcher.load(bundle) as matcher:
        with pytest.raises(EmbedgeError, match=r"E-IMAGE-NONE.*cv2\.imread"):
            matcher.embed(None)  # type: ignore[call-overload]
        with pytest.raises(EmbedgeError, match="E-IMAGE-NONE"):
            matcher.embed([None])  # type: ignore[list-item]


def test_what_is_enrolled_meanwhile_counts_where_it_is_searched(
    bundle: Path, gallery: Gallery
) -> None:
    """The number of templates, on which a policy's bound rests, is of the search itself."""
    with FaceMatcher.load(bundle, detector=Planted(0)) as matcher:
        embed = matcher.embed_faces
        others = matcher.embed([face_like(seed) for seed in (7, 8)], aligned=True)

        def and_another_enrols(faces: Any) -> np.ndarray:
            rows = embed(faces)
            count = len(gallery)
            gallery.enroll(f"new {count}", others[count - 2], matcher.contract)
            return rows

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matcher, "embed_faces", and_another_enrols)
            assert identify(matcher, gallery, frame(1), colour="RGB").templates == 3
            (seen,) = identify_all(matcher, gallery, frame(1), colour="RGB")
            assert seen.found.templates == len(gallery) == 4
