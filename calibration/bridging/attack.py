"""The other side of the coin: what the same map gives whoever holds the templates of one system.

He maps a stolen template and looks it up in the other system. A secret rotation of the stolen
templates stops nobody who has some hundred pairs: every map that is fitted turns it back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embedge.calibration.bridging.labelled import People
from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.identification import searched
from embedge.calibration.scores import Float32

__all__ = ["Attack", "Known", "attack", "known_pairs", "looked_up"]

Mapping = Callable[[Float32], Float32]


@dataclass(frozen=True, slots=True)
class Known:
    """Rank 1 of an attacker who knows both templates of this many pictures of other people."""

    pairs: Count
    rank1: Share


@dataclass(frozen=True, slots=True)
class Attack:
    """Look-ups of `searches` mapped templates among `templates` of the other system.

    `native` is what the other system's own templates reach, `blind` what guessing does. With
    `labelled` another picture of the person has to be found, else the same picture.
    """

    searches: Count
    templates: Count
    labelled: bool
    rank1: Share
    native: Share | None
    blind: Share
    known: tuple[Known, ...]


def attack(
    mapped: Float32, new: Float32, people: People | None, known: Sequence[Known] = ()
) -> Attack:
    """Row i of both is the same picture; labels come with `people`, whose rows they then are."""
    if people is None:
        rank1 = looked_up(mapped, new)
        count = len(new)
        return Attack(count, count, False, rank1, None, 1 / count, tuple(known))
    first = np.unique(people.labels, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(people.labels)), first)
    return Attack(
        len(others),
        len(first),
        True,
        _rank1(mapped, new, people, others, first),
        _rank1(new, new, people, others, first),
        1 / len(first),
        tuple(known),
    )


def looked_up(mapped: Float32, new: Float32) -> float:
    """How often a mapped template's nearest neighbour is the other system's of the same picture."""
    numbers = np.arange(len(new))
    return float((searched(new, numbers, mapped, numbers).rank == 1).mean())


def known_pairs(
    fitted: Callable[[Float32, Float32], Mapping],
    old: Float32,
    new: Float32,
    victims: tuple[Float32, Float32],
    counts: Sequence[int] = (100, 300, 1000, 3000),
) -> tuple[Known, ...]:
    """The attack with maps that were `fitted` to the first pairs only."""
    stolen, enrolled = victims
    return tuple(
        Known(count, looked_up(fitted(old[:count], new[:count])(stolen), enrolled))
        for count in counts
        if count <= len(old)
    )


def _rank1(
    probes: Float32,
    gallery: Float32,
    people: People,
    searching: "np.typing.NDArray[np.int64]",
    enrolled: "np.typing.NDArray[np.int64]",
) -> float:
    _, codes = np.unique(people.labels, return_inverse=True)
    found = searched(gallery[enrolled], codes[enrolled], probes[searching], codes[searching])
    return float((found.rank == 1).mean()) if len(searching) else 0.0
