"""How a foreign network is fed: stated, or written in its file, and confirmed on faces.

Nothing is a default: a colour that is neither is taken from the faces where they tell, and asked
for where they do not. What is fed wrongly still answers, and its INT8 twin answers alike: nothing
but faces of people can tell.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from embedge.calibration.feeding import (
    Seen,
    clearly_better,
    has_pairs,
    in_other_order,
    seen_fed,
    untold_from,
)
from embedge.errors import EmbedgeError
from embedge.export.intake.original import Entrance, Layout
from embedge.runtime.contract import Colour, PerChannel
from embedge.runtime.encoders.preprocessing import (
    FEEDINGS,
    PREPROCESSING,
    Preprocessing,
    named,
)

__all__ = ["ConfirmedFeeding", "KnownFaces", "Stated", "feeding_of", "flags_of"]

Span = Literal["0-255", "0-1"]
Numbers = tuple[float, ...] | None
Reach = Callable[[Preprocessing], float | None]
Features = Callable[[Preprocessing], NDArray[np.float32]]
_WHITE = 255.0
_FAINT, _GLARING = 0.1, 20.0  # between black and white; networks are trained on about 2 to 5
# the keys that OpenVINO's converter, TFLite's metadata and people write
_MEAN = ("mean_values", "mean", "norm_mean")
_STD = ("scale_values", "std", "norm_std", "scale")
_COLOUR = ("channel_order", "color_space", "color", "colour")
_REVERSED = "reverse_input_channels"


@dataclass(frozen=True, slots=True)
class Stated:
    """What its user says of a network; `span` is the range of a pixel before mean and std, which
    are stated here: what the file says has its own."""

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    colour: Colour | None = None
    layout: Layout | None = None
    span: Span = "0-255"

    @classmethod
    def of(cls, way: Preprocessing) -> "Stated":
        return cls(_numbers(way.mean), _numbers(way.std), way.colour)

    @property
    def nothing(self) -> bool:
        return self.mean is None and self.std is None and self.colour is None


@dataclass(frozen=True, slots=True, eq=False)
class KnownFaces:
    """Labelled pictures: who is who tells how a network wants to be fed.

    Those of a folder, or rendered ones where the folder does not say who is who.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.generic]
    rendered: bool = False

    @property
    def called(self) -> str:
        return "rendered faces" if self.rendered else "faces"


@dataclass(frozen=True, slots=True)
class ConfirmedFeeding:
    """`source` says where each fact was read; `rates` are empty where there were no faces.

    `untold` are the ways that the faces do not show to be worse.
    """

    way: Preprocessing
    name: str
    source: str
    rates: dict[str, float]
    untold: tuple[str, ...] = ()
    whom: str = "faces"


def feeding_of(
    stated: Stated,
    model: onnx.ModelProto,
    entrance: Entrance,
    features: Features,
    reach: Reach,
    faces: KnownFaces | None,
) -> ConfirmedFeeding:
    """Stated or written, and as good on faces as any other way that networks are fed."""
    written = _written(model, entrance, reach)
    ways = dict(FEEDINGS)
    if entrance.whole_numbers:
        ways = {name: one for name, one in PREPROCESSING.items() if name.endswith("-plain")}
    labelled = faces if faces is not None and has_pairs(faces.labels) else None
    numbers = _numbers_of(stated, written)
    colour = stated.colour or written.colour
    if numbers is None or (colour is None and labelled is None):
        raise _unstated(ways, seen_fed(features, ways, labelled.labels) if labelled else {})
    way = Preprocessing(colour or "RGB", *numbers)  # else the faces choose below
    if entrance.whole_numbers and (way.mean, way.std) != (0.0, 1.0):
        raise EmbedgeError(
            "E-FEEDING",
            "the input takes whole numbers, and a mean and std other than 0 and 1 were stated",
            remedy="State --mean 0 --std 1: the network normalises inside",
        )
    if labelled is None:
        _agree(way, reach)
        return ConfirmedFeeding(way, named(way), _source(stated, written, ""), {})
    twin = in_other_order(way)
    ways |= {named(way): way, named(twin): twin}
    seen = seen_fed(features, ways, labelled.labels)
    if colour is None:
        way = _told_by(way, twin, seen)
    chosen, source = named(way), _source(stated, written, labelled.called)
    _require_best(chosen, source, ways, seen, labelled)
    rates = {name: one.rate for name, one in seen.items()}
    untold = tuple(untold_from(chosen, seen))
    return ConfirmedFeeding(way, chosen, source, rates, untold, labelled.called)


def _told_by(way: Preprocessing, twin: Preprocessing, seen: dict[str, Seen]) -> Preprocessing:
    """The order of colours that nothing states, where these faces are certain of it."""
    for one, other in ((way, twin), (twin, way)):
        if len(seen[named(one)].gaps) and named(other) not in untold_from(named(one), seen):
            return one
    raise EmbedgeError(
        "E-FEEDING-UNSTATED",
        f"nothing says the order of the colours, and these faces cannot tell {named(way)} from"
        f" {named(twin)}",
        remedy="State --colour RGB or --colour BGR, as the makers of the network do",
    )


def _source(stated: Stated, written: Stated, faces: str) -> str:
    """Where each fact was read; one word where all were read in one place."""
    places: dict[str, list[str]] = {}
    for fact in ("mean", "std", "colour"):
        place = f"confirmed on {faces}"
        if getattr(stated, fact) is not None:
            place = "stated"
        elif getattr(written, fact) is not None:
            place = "written in the file"
        places.setdefault(place, []).append(fact)
    if len(places) == 1:
        return next(iter(places))
    return "; ".join(f"{' and '.join(facts)} {place}" for place, facts in places.items())


def _require_best(
    chosen: str,
    source: str,
    ways: dict[str, Preprocessing],
    seen: dict[str, Seen],
    faces: KnownFaces,
) -> None:
    """Refuse where another way is clearly better, and where nobody is told apart."""
    mine = seen[chosen]
    if better := clearly_better(chosen, named(in_other_order(ways[chosen])), seen):
        best, told = better
        remedy = f"State {flags_of(ways[best])}, or check that the faces are aligned"
        if faces.rendered:
            told += "; these are rendered faces, for the folder does not say who is who"
            remedy = f"State {flags_of(ways[best])}, or give aligned faces as PERSON/PICTURE"
    elif mine.blind:
        told = (
            f"has an equal error rate of {mine.rate:.1%} on {faces.called}: it does not tell people"
            " apart, so nothing confirms how it is fed"
        )
        remedy = "Check the network, its --output, and that every folder is one person"
        if faces.rendered:
            remedy = "Give aligned faces as PERSON/PICTURE: several people, several pictures each"
    else:
        return
    what = f"fed {chosen} ({source}), this network {told}"
    raise EmbedgeError("E-FEEDING", what, remedy=remedy)


def flags_of(way: Preprocessing) -> str:
    def told(value: PerChannel) -> str:
        return " ".join(f"{one:g}" for one in _numbers(value))

    return f"--mean {told(way.mean)} --std {told(way.std)} --colour {way.colour}"


def _numbers_of(stated: Stated, written: Stated) -> tuple[PerChannel, PerChannel] | None:
    """What is stated goes before what is written; None where a part is neither."""
    unit = _WHITE if stated.span == "0-1" else 1.0
    mean, std = (
        _per_channel(said, unit) if said is not None else _per_channel(read, 1.0) if read else None
        for said, read in ((stated.mean, written.mean), (stated.std, written.std))
    )
    return None if mean is None or std is None else (mean, std)


def _written(model: onnx.ModelProto, entrance: Entrance, reach: Reach) -> Stated:
    """insightface: arithmetic at the beginning; OpenVINO and TFLite: keys of the metadata."""
    facts = {item.key: item.value for item in model.metadata_props}
    mean, std = _in_grey_levels(_listed(facts, _MEAN), _listed(facts, _STD))
    colour = next((_colour(facts[key]) for key in _COLOUR if key in facts), None)
    if _REVERSED in facts and colour is None:
        reversed_ = facts[_REVERSED].strip().lower() in {"true", "yes", "1"}
        colour = "RGB" if reversed_ else "BGR"
    if mean is None and std is None and (entrance.whole_numbers or _inside(reach)):
        return Stated((0.0,), (1.0,), colour)
    return Stated(mean, std, colour)


def _in_grey_levels(mean: Numbers, std: Numbers) -> tuple[Numbers, Numbers]:
    """Numbers that only fit pixels of 0 to 1, for pixels of 0 to 255."""
    numbers = (mean or ()) + (std or ())
    if not np.isfinite(numbers).all() or min(std or (1,)) <= 0:
        raise EmbedgeError(
            "E-FEEDING",
            f"the file's metadata says mean {mean} and std {std}, by which no pixel can be scaled",
            remedy=f"Correct {', '.join(_STD)}: a number above 0; all of them finite",
        )
    if std is None or set(std) == {1.0} or max(map(abs, numbers)) > 1:
        return mean, std
    return mean and tuple(one * _WHITE for one in mean), tuple(one * _WHITE for one in std)


def _inside(reach: Reach) -> bool:
    """Arithmetic at the beginning that brings 0 to 255 to about one."""
    found = reach(PREPROCESSING["rgb-plain"])
    return found is not None and _FAINT < found < _GLARING


def _listed(facts: dict[str, str], keys: tuple[str, ...]) -> tuple[float, ...] | None:
    text = next((facts[key] for key in keys if key in facts), None)
    found = tuple(map(float, re.findall(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text or "")))
    return found if len(found) in (1, 3) else None


def _colour(text: str) -> Colour | None:
    known: dict[str, Colour] = {"rgb": "RGB", "bgr": "BGR"}
    return known.get(text.strip().lower())


def _agree(way: Preprocessing, reach: Reach) -> None:
    """Where no face can tell: a network that normalises inside is not normalised twice."""
    found, plain = reach(way), reach(PREPROCESSING["rgb-plain"])
    # where black and white are alike however it is fed, they say nothing of it
    if found is not None and plain is not None and found < _FAINT <= plain:
        raise EmbedgeError(
            "E-FEEDING",
            f"the network subtracts and scales inside: fed {named(way)}, black and white are only"
            f" {found:.3f} apart where its first layer reads them",
            remedy="State --mean 0 --std 1, or give faces as PERSON/PICTURE that confirm the other",
        )


def _unstated(ways: dict[str, Preprocessing], seen: dict[str, Seen]) -> EmbedgeError:
    what, remedy = "this model does not say how it is fed", "State --mean, --std and --colour"
    if seen:
        told = ", ".join(f"{name} {one.rate:.1%}" for name, one in seen.items())
        what += f"; equal error rates on these faces: {told}"
        remedy += f" as its makers do; {_liked(ways, seen)}"
    return EmbedgeError("E-FEEDING-UNSTATED", what, remedy=remedy)


def _liked(ways: dict[str, Preprocessing], seen: dict[str, Seen]) -> str:
    best = min(seen, key=lambda name: (seen[name].rate, -seen[name].gaps.sum()))
    if seen[best].blind:
        return "these faces are not told apart, whatever it is"
    others = untold_from(best, seen)
    if others:
        return f"these faces cannot tell {flags_of(ways[best])} from {', '.join(others)}"
    return f"on these faces {flags_of(ways[best])} is best"


def _numbers(value: PerChannel) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _per_channel(values: tuple[float, ...], unit: float) -> PerChannel:
    numbers: list[Any] = [float(one) * unit for one in values]
    if len(set(numbers)) == 1:
        return float(numbers[0])
    return numbers[0], numbers[1], numbers[2]
