"""One decision on several frames: who is there, told once and not at every frame.

Several frames that agree are asked for on top of the threshold, so this is never laxer than one
comparison at it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from embedge.errors import EmbedgeError
from embedge.runtime.camera.frames import Frame
from embedge.runtime.camera.tracks import Track, Tracks
from embedge.runtime.identification import SeenFace
from embedge.runtime.picture.images import RgbImage

__all__ = ["Event", "Look", "Rules", "watched"]

Look = Callable[[RgbImage], list[SeenFace]]


@dataclass(frozen=True, slots=True)
class Rules:
    """`agree` of the last `among` frames of a face must name one person, and none another.

    Somebody who stays is told once, and again after being away for `again` seconds. A face that is
    gone for `lost` seconds is a new one; frames whose face is refused count for nobody.
    """

    agree: int
    among: int
    again: float
    lost: float
    overlap: float = 0.3

    def __post_init__(self) -> None:
        if not 1 <= self.agree <= self.among <= 100:
            raise _impossible(f"{self.agree} frames of {self.among} cannot agree")
        if not (self.again >= 0 and self.lost >= 0):
            raise _impossible("times are no less than 0")


@dataclass(frozen=True, slots=True)
class Event:
    """`cosine` is the best of the agreeing frames; a stranger is who `among` frames name nobody,
    unless they are equally like several people.
    """

    kind: Literal["person", "stranger", "ambiguous"]
    person: str | None
    cosine: float | None
    time: float
    track: int
    frames: int
    box: tuple[float, float, float, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "event": self.kind,
            "person": self.person,
            "cosine": self.cosine,
            "time": round(self.time, 3),
            "track": self.track,
            "frames": self.frames,
            "box": [round(side, 1) for side in self.box],
        }


def watched(look: Look, frames: Iterable[Frame], rules: Rules) -> Iterator[Event]:
    """Look at every frame; what is decided is told when it is."""
    tracks = Tracks(rules.overlap, rules.lost, rules.among)
    last: dict[str | int, float] = {}
    for frame in frames:
        for track in tracks.follow(frame.time, look(frame.image)):
            event = _decided(track, frame.time, rules)
            if event is None:
                continue
            who = event.person or track.number
            before = last.get(who)
            last[who] = frame.time
            if before is None or frame.time - before >= rules.again:
                yield event
        last = {who: time for who, time in last.items() if frame.time - time < rules.again}


def _decided(track: Track, time: float, rules: Rules) -> Event | None:
    found = [look.found for look in track.looks if look.found is not None]
    named = [one for one in found if one.person is not None]
    people = {one.person for one in named}
    if len(people) > 1:
        return None
    if len(named) >= rules.agree:
        best = min(1.0, max(one.candidates[0].cosine for one in named if one.candidates))
        return Event("person", named[0].person, best, time, track.number, len(named), track.box)
    if not named and len(found) >= rules.among:
        kind: Literal["stranger", "ambiguous"] = "stranger"
        if any(one.tied for one in found):
            kind = "ambiguous"
        return Event(kind, None, None, time, track.number, len(found), track.box)
    return None


def _impossible(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-OPTION", what, remedy="Give --agree from 1 to --among, and times of 0 seconds or more"
    )
