from hypothesis import given
from hypothesis import strategies as st
from seen_faces import seen

from embedge.runtime.camera.tracks import Tracks


def tracked(lost: float = 1.0, keep: int = 5) -> Tracks:
    return Tracks(overlap=0.3, lost=lost, keep=keep)


def numbers(tracks: Tracks, time: float, *lefts: float) -> list[int]:
    return [t.number for t in tracks.follow(time, [seen(None, left) for left in lefts])]


def test_faces_that_move_a_little_keep_their_tracks() -> None:
    tracks = tracked()
    assert numbers(tracks, 0.0, 0, 200) == [0, 1]
    assert numbers(tracks, 0.1, 180, 20) == [1, 0]  # told apart by place, not by order
    assert numbers(tracks, 0.2, 40) == [0]
    assert numbers(tracks, 0.3, 60, 150) == [0, 1]  # the other was away for a moment


def test_a_jump_or_an_absence_begins_anew() -> None:
    tracks = tracked(lost=1.0)
    assert numbers(tracks, 0.0, 0) == [0]
    assert numbers(tracks, 0.1, 300) == [1]
    assert numbers(tracks, 1.2, 300) == [2]


def test_the_better_overlap_wins_the_track() -> None:
    tracks = tracked()
    numbers(tracks, 0.0, 0)
    assert numbers(tracks, 0.1, 40, 5) == [1, 0]


def test_only_the_newest_looks_are_kept() -> None:
    tracks = tracked(keep=3)
    for number in range(6):
        (track,) = tracks.follow(number / 10, [seen(str(number))])
    assert [look.person for look in track.looks] == ["3", "4", "5"]


@given(st.lists(st.lists(st.floats(0, 500), max_size=5), max_size=8))
def test_no_track_has_two_faces_of_a_frame(frames: list[list[float]]) -> None:
    tracks = tracked()
    for number, lefts in enumerate(frames):
        found = numbers(tracks, number / 10, *lefts)
        assert len(set(found)) == len(lefts)
