"""Faces followed from frame to frame by the overlap of their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from embedge.runtime.identification import SeenFace

__all__ = ["Track", "Tracks"]

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Track:
    """One face as long as it stays in view. `looks` are its newest frames, the oldest first."""

    number: int
    seen: float
    box: Box
    looks: list[SeenFace] = field(default_factory=list)


@dataclass(slots=True)
class Tracks:
    """Faces of one camera. A face that jumps further than it is wide begins anew: then its frames
    are counted again, which is the safe side."""

    overlap: float
    lost: float
    keep: int
    _open: list[Track] = field(default_factory=list)
    _begun: int = 0

    def follow(self, time: float, faces: Sequence[SeenFace]) -> list[Track]:
        """The tracks of these faces, in their order; each has its face as the last look."""
        self._open = [track for track in self._open if time - track.seen <= self.lost]
        claimed = self._claimed(faces)
        tracks = [claimed.get(place) or self._fresh() for place in range(len(faces))]
        for track, face in zip(tracks, faces):
            track.seen, track.box = time, face.face.box
            track.looks = [*track.looks, face][-self.keep :]
        return tracks

    def _fresh(self) -> Track:
        track = Track(self._begun, 0.0, (0.0, 0.0, 0.0, 0.0))
        self._begun += 1
        self._open.append(track)
        return track

    def _claimed(self, faces: Sequence[SeenFace]) -> dict[int, Track]:
        """Place of a face -> its track: the best overlaps first, each face and track once."""
        pairs = sorted(
            (
                (_overlap(track.box, face.face.box), -track.number, place)
                for track in self._open
                for place, face in enumerate(faces)
            ),
            reverse=True,
        )
        tracks = {track.number: track for track in self._open}
        claimed: dict[int, Track] = {}
        for overlap, number, place in pairs:
            if overlap >= self.overlap and place not in claimed and -number in tracks:
                claimed[place] = tracks.pop(-number)
        return claimed


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)
