"""Refuse a network that another way of feeding clearly suits better.

Fed with the wrong colours, or pictures that are cut otherwise, a recogniser still recognises, only
worse, so nothing but a comparison tells: fed rightly, what it says is foretold better by the other
model, picture by picture. Both are tried in every way, and the one that gains most is named. A way
that only flatters (all pictures look more alike, and so nearer) tells them apart less, and is none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.bridging.ends import Seen, pictures_under
from embedge.calibration.bridging.shores import Shore
from embedge.calibration.bridging.verdict import RANK1
from embedge.calibration.evaluation.embed import embedded
from embedge.calibration.evaluation.faces import FaceFiles
from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.scores import Float32
from embedge.errors import EmbedgeError
from embedge.progress import Progress
from embedge.runtime.bridge import End
from embedge.runtime.encoders.preprocessing import FEEDINGS
from embedge.train.bridge.feeding.otherwise import CUT, SWAPPED, WAYS
from embedge.train.bridge.fit import fitted_bridge
from embedge.train.bridge.pairs import Pairs

__all__ = ["Better", "Foretold", "better_way", "confirm_feeding", "foretold", "suits_better"]

_PICTURES = 600
_GAIN = 0.005
_ERRORS = 4.0

PerPicture = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Foretold:
    """Of each picture: the cosine of its foretold row to the known one, and how far that is above
    the cosines to the others', in spreads of those. `rank1` of them are nearest to their own."""

    cosines: PerPicture
    apart: PerPicture
    rank1: float


@dataclass(frozen=True, slots=True)
class Better:
    """Fed this `way`, a network agrees so much better with the other one, picture by picture."""

    way: str
    cosine: float
    asked: float
    pictures: int

    @property
    def gain(self) -> float:
        return self.cosine - self.asked


def confirm_feeding(old: Shore, new: Shore, folder: Path | None, progress: Progress) -> None:
    """Refuse a feeding when another one is clearly better on some of the pictures."""
    if folder is None or (old.model is None and new.model is None):
        return
    everybody = pictures_under(folder)
    if any(
        shore.rows is not None and len(shore.rows) != len(everybody.names) for shore in (old, new)
    ):
        return  # they are refused for that, with better words
    index = np.unique(np.linspace(0, len(everybody.names) - 1, _PICTURES).astype(np.int64))
    faces = FaceFiles(everybody.root, [everybody.names[number] for number in index])
    before, after = (_rows(shore, faces, index) for shore in (old, new))
    found = list[tuple[Better, str, Shore]]()
    for name, shore, rows, other in (("old", old, before, after), ("new", new, after, before)):
        if shore.model is not None:
            better = better_way(rows, other, _tried(shore, faces, progress))
            found += [(better, name, shore)] if better else []
    if found:
        first, *others = sorted(found, key=lambda one: one[0].gain, reverse=True)
        matrices = [shore for shore in (old, new) if shore.model is None]
        raise _refused(*first, doubted=[*(shore for _, _, shore in others), *matrices])


def better_way(rows: Float32, other: Float32, tried: Mapping[str, Float32]) -> Better | None:
    """The way in which the other model foretells a network best, if clearly better than as it is.

    `tried` are the network's rows of the same pictures, by the way it was fed.
    """
    asked, found = foretold(rows, other), []
    for way, seen in tried.items():
        fed = foretold(seen, other)
        if suits_better(fed, asked):
            nearer, near = (float(one.cosines.mean()) for one in (fed, asked))
            found.append(Better(way, nearer, near, len(fed.cosines)))
    return max(found, key=lambda one: one.gain, default=None)


def foretold(rows: Float32, known: Float32) -> Foretold:
    """How well maps of `rows`, each of pictures it never saw, meet the `known` ones."""
    good = (np.linalg.norm(rows, axis=1) > 0) & (np.linalg.norm(known, axis=1) > 0)
    rows, known = rows[good], known[good]
    ends = End("asked", "", rows.shape[1]), End("known", "", known.shape[1])
    fitted = fitted_bridge(*ends, Pairs([rows], [known]), kind="ridge")
    scores = (fitted.held_out @ fitted.native.T).astype(np.float64)
    own = np.diag(scores).copy()
    np.fill_diagonal(scores, np.nan)
    apart = (own - np.nanmean(scores, axis=1)) / np.nanstd(scores, axis=1)
    return Foretold(own, apart, float((own > np.nanmax(scores, axis=1)).mean()))


def suits_better(one: Foretold, other: Foretold) -> bool:
    """Clearly nearer, and not clearly less apart. Both are of the same pictures."""
    if len(one.cosines) != len(other.cosines) or len(one.cosines) < 100:
        return False
    gain = one.cosines - other.cosines
    if gain.mean() <= _GAIN or not _certain(gain) or _certain(other.apart - one.apart):
        return False
    return one.rank1 >= RANK1  # who sees no faces is refused for that, with better words


def _certain(gain: PerPicture) -> bool:
    return bool(gain.mean() > _ERRORS * gain.std() / np.sqrt(len(gain)))


def _tried(shore: Shore, faces: FaceFiles, progress: Progress) -> dict[str, Float32]:
    ways, found = len(WAYS) if shore.stated else len(FEEDINGS) - 1 + len(CUT), {}
    with progress.task(f"how {shore.name} is fed", ways) as task:
        for way, rows in _seen(shore, faces):
            found[way] = rows
            task.advance(1)
    return found


def _seen(shore: Shore, faces: FaceFiles) -> Iterator[tuple[str, Float32]]:
    """What the network says of the same pictures, fed otherwise than it is."""
    assert shore.model is not None
    encoder = shore.model.encoder
    contract = encoder.contract
    known = contract.colour, contract.mean, contract.std
    for way, feeding in {} if shore.stated else FEEDINGS.items():
        if (feeding.colour, feeding.mean, feeding.std) != known:
            with opened_model(shore.path, preprocessing=way).encoder as other:
                yield way, embedded(faces, other, ticker=None).embeddings
    for way, change in WAYS.items() if shore.stated else CUT.items():
        yield way, embedded(Seen(faces, way, change), encoder, ticker=None).embeddings


def _refused(better: Better, name: str, shore: Shore, doubted: list[Shore]) -> EmbedgeError:
    if better.way in FEEDINGS:
        remedy = f"Add --{name}-preprocessing {better.way}"
    elif better.way == SWAPPED:
        remedy = f"Correct the colour order that {shore.name} states, and bundle it again"
    else:
        remedy = f"Give --faces that are aligned as those {shore.name} learnt from"
    doubt = "".join(f"; or {other.name} is what was fed wrongly" for other in doubted)
    return EmbedgeError(
        "E-BRIDGE-FEEDING",
        f"fed {better.way}, {shore.name} agrees with the other model at a cosine of"
        f" {better.cosine:.3f} on {better.pictures} pictures, fed as it is of"
        f" {better.asked:.3f}{doubt}",
        where=shore.path,
        remedy=remedy,
    )


def _rows(shore: Shore, faces: FaceFiles, index: NDArray[np.int64]) -> Float32:
    if shore.model is not None:
        return embedded(faces, shore.model.encoder, ticker=None).embeddings
    assert shore.rows is not None
    return shore.rows[index]
