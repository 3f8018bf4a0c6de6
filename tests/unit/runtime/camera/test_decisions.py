"""On made-up looks each rule alone; on rendered people who walk past, all of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from seen_faces import seen
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import Face, FaceMatcher, Gallery, SeenFace, Threshold, identify_all
from embedge.runtime.camera.decisions import Event, Rules, watched
from embedge.runtime.camera.frames import Frame
from embedge.runtime.contract import ARCFACE_112
from embedge.train.render import FaceRenderer

BLACK = np.zeros((1, 1, 3), np.uint8)


def ruled(agree: int = 3, among: int = 5, again: float = 30.0, lost: float = 1.0) -> Rules:
    return Rules(agree, among, again, lost)


def told(looks: list[list[SeenFace]], rules: Rules, *, rate: float = 10.0) -> list[Event]:
    """Events of a made-up video: what is seen in each frame."""
    coming = iter(looks)
    frames = [Frame(number / rate, BLACK) for number in range(len(looks))]
    return list(watched(lambda image: next(coming), frames, rules))


def test_one_frame_is_not_enough_and_enough_are_told_once() -> None:
    rules = ruled(agree=3, among=5)
    assert told([[seen("ann")]] * 2, rules) == []
    (event,) = told([[seen("ann", cosine=0.7)], *[[seen("ann")]] * 20], rules)
    assert (event.kind, event.person, event.cosine, event.frames) == ("person", "ann", 0.8, 3)
    assert event.time == pytest.approx(0.2)


def test_a_cosine_is_at_most_one() -> None:
    (event,) = told([[seen("ann", cosine=1.0000001)]], ruled(agree=1, among=1))
    assert event.to_json()["cosine"] == 1.0


def test_frames_that_name_two_people_name_nobody() -> None:
    rules = ruled(agree=3, among=5)
    mixed = [[seen(name)] for name in ("ann", "ben", "ann", "ann", "ben", "ann")]
    assert told(mixed, rules) == []
    # once the other name has left the last five, the person is told
    assert [event.person for event in told([*mixed, *[[seen("ann")]] * 4], rules)] == ["ann"]


def test_refused_frames_count_for_nobody() -> None:
    rules = ruled(agree=2, among=3)
    blurred = [seen("ann", refused=True)]
    assert told([[seen("ann")], blurred, blurred, [seen("ann")]], rules) == []
    assert told([blurred] * 9, rules) == []


def test_who_is_equally_like_two_people_is_no_stranger() -> None:
    face = seen(None)
    assert face.found is not None
    tied = replace(face, found=replace(face.found, tied=("ann", "ben")))
    (event,) = told([[seen(None)], [tied], [seen(None)], [tied]], ruled(agree=2, among=4))
    assert (event.kind, event.person) == ("ambiguous", None)


def test_a_stranger_is_told_after_all_frames_and_once() -> None:
    rules = ruled(agree=2, among=4)
    (event,) = told([[seen(None)]] * 12, rules)
    assert (event.kind, event.person, event.frames) == ("stranger", None, 4)
    assert told([[seen(None)], [seen(None)], [seen("ann")], [seen(None)]] * 3, rules) == []


def test_who_stays_is_told_once_and_who_comes_back_again() -> None:
    rules = ruled(agree=1, among=1, again=2.0)
    stays = [[seen("ann")]] * 100
    assert len(told(stays, rules)) == 1
    back = [*[[seen("ann")]] * 5, *[[]] * 25, *[[seen("ann")]] * 5]
    assert [event.time for event in told(back, rules)] == [0.0, 3.0]
    assert len(told(back, ruled(agree=1, among=1, again=60.0))) == 1


def test_two_people_at_once_are_told_both() -> None:
    both = [[seen("ann", 0), seen("ben", 300)]] * 5
    assert {event.person for event in told(both, ruled())} == {"ann", "ben"}


@pytest.mark.parametrize("changes", [{"agree": 0}, {"agree": 6}, {"again": -1.0}, {"lost": -1.0}])
def test_impossible_rules(changes: dict[str, float]) -> None:
    with pytest.raises(EmbedgeError, match="E-OPTION"):
        ruled(**changes)  # type: ignore[arg-type]


class Truth:
    """A detector that was told where the faces of the coming frame are."""

    faces: list[Face]

    def detect(self, image: np.ndarray) -> list[Face]:
        return self.faces

    def close(self) -> None:
        """Nothing is held."""


def walk(renderer: FaceRenderer, truth: Truth) -> Iterator[Frame]:
    """Person 0 walks through the picture, then a stranger does."""
    template = np.array(ARCFACE_112, np.float32)
    for number in range(24):
        person, step = (0, number) if number < 10 else (7, number - 14)
        scene = np.full((160, 400, 3), 90, np.uint8)
        truth.faces = []
        if not 10 <= number < 14:
            shown = renderer.render(np.array([person]), np.array([step % 3])).images[0]
            left = 10 + 20 * step
            scene[20:132, left : left + 112] = shown
            place = (float(left), 20.0, left + 112.0, 132.0)
            truth.faces = [Face(place, 0.9, template + np.array([left, 20], np.float32))]
        yield Frame(number / 10, scene)


def test_rendered_people_walk_past(tmp_path: Path) -> None:
    renderer, truth = FaceRenderer(seed=5), Truth()
    known = list(renderer.render(np.zeros(3, int), np.arange(3)).images)
    with (
        FaceMatcher.load(tiny_bundle(tmp_path / "tiny.embedge"), detector=truth) as matcher,
        Gallery.create(tmp_path / "door.gallery", matcher.contract, key=bytes(32)) as gallery,
    ):
        gallery.enroll(["ann"] * 3, matcher.embed(known, aligned=True), matcher.contract)
        strict = Threshold.by_hand(0.97)  # a linear encoder finds all faces alike

        def look(image: np.ndarray) -> list[SeenFace]:
            return identify_all(matcher, gallery, image, threshold=strict, colour="RGB")

        events = list(watched(look, walk(renderer, truth), ruled(agree=3, among=5, lost=0.3)))
    assert [(event.kind, event.person) for event in events] == [
        ("person", "ann"),
        ("stranger", None),
    ]
    assert events[0].time == pytest.approx(0.2)
    assert events[1].time == pytest.approx(1.8)
