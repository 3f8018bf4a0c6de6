"""Faults of an evaluation set that would otherwise be averaged into its figures."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count
from embedge.calibration.rates import EqualError, equal_error
from embedge.calibration.scores import Float32, PairScores
from embedge.printed import counted
from embedge.runtime.picture.images import RgbImage
from embedge.runtime.picture.skin import BLUER_THAN_SKIN, cheeks_of

__all__ = [
    "WORDS",
    "DataFault",
    "channel_faults",
    "contradicted_pairs",
    "copied_pictures",
    "leaking_folds",
    "leaking_subjects",
    "likely_same_people",
    "mislabelled",
    "repeated_pairs",
    "threshold_set_here",
    "unjudged",
]

# Beyond this share of strays, whose own people are elsewhere, the labels cannot be trusted
_SHUFFLED = 0.05
_APART = 1  # steps of the crowd's tail: one picture in three stands so far above it by chance
_ASKED = 1000  # of the strays
# A model this poor finds no single wrong label
_BLIND = 0.10
_SHOWN = 20
# Beyond this share of repeated pairs the figures are of something else
_AGAIN = 0.01
# What a model decides at a threshold, in the words for one and for several
WORDS: Final = {
    "mislabelled": (
        "picture resembles another person more than its own",
        "pictures resemble another person more than their own",
    ),
    "duplicate-subject": (
        "pair of subjects matches like one person",
        "pairs of subjects match like one person",
    ),
}
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class DataFault:
    """A fault. An `error` spoils every figure; a `warning` should be looked at."""

    code: str
    severity: Literal["error", "warning"]
    what: str
    count: Count
    examples: tuple[str, ...] = ()


def leaking_subjects(trained_on: Iterable[str], tested_on: Iterable[str]) -> list[DataFault]:
    """People who are in the training set and in the test."""
    both = sorted(set(trained_on) & set(tested_on))
    one = "person of the test was trained or calibrated on"
    many = "people of the test were trained or calibrated on"
    return _finding("leaking-split", "error", (one, many), both)


def unjudged(findings: Iterable[DataFault]) -> bool:
    """Whether the model tells people apart too poorly to judge the labels."""
    return any((one.code, one.severity) == ("shuffled-labels", "warning") for one in findings)


def threshold_set_here(pictures: Sequence[str]) -> list[DataFault]:
    """Nothing else is spoilt: the threshold is left out, and all other figures need none."""
    one = "picture set the threshold, which is not judged here"
    many = "pictures set the threshold, which is not judged here"
    return _finding("threshold-people", "warning", (one, many), pictures)


def leaking_folds(
    subjects: NDArray[np.int64],
    pairs: NDArray[np.int32],
    folds: NDArray[np.int64],
    *,
    certain: bool,
) -> list[DataFault]:
    """People who appear in more than one fold: a fold's threshold has seen them already.

    `certain` where people are known by name, and not only guessed from the genuine pairs.
    """
    rows = np.concatenate([np.column_stack([subjects[pairs[:, side]], folds]) for side in (0, 1)])
    people, counts = np.unique(np.unique(rows, axis=0)[:, 0], return_counts=True)
    leaking = [f"subject {number}" for number in people[counts > 1]]
    severity: Literal["error", "warning"] = "error" if certain else "warning"
    words = "person appears in more than one fold", "people appear in more than one fold"
    return _finding("leaking-folds", severity, words, leaking)


def contradicted_pairs(
    names: Sequence[str],
    subjects: NDArray[np.int64],
    pairs: NDArray[np.int32],
    same: NDArray[np.bool_],
) -> list[DataFault]:
    """Pairs whose verdict contradicts the folders that the two pictures lie in."""
    equal = subjects[pairs[:, 0]] == subjects[pairs[:, 1]]
    wrong = [f"{names[a]} and {names[b]}" for a, b in pairs[equal != same]]
    return _finding(
        "contradicted-pairs",
        "error",
        (
            "pair contradicts the folders its pictures lie in",
            "pairs contradict the folders their pictures lie in",
        ),
        wrong,
    )


def repeated_pairs(pairs: NDArray[np.int32]) -> list[DataFault]:
    """A pair that is listed twice counts twice, and is no new evidence."""
    again = len(pairs) - len(np.unique(np.sort(pairs, axis=1), axis=0))
    if not again:
        return []
    what = f"{counted(again, 'pair')} listed more than once, each counted as often"
    severity: Literal["error", "warning"] = "error" if again > _AGAIN * len(pairs) else "warning"
    return [DataFault("repeated-pairs", severity, what, again)]


def copied_pictures(
    names: Sequence[str], digests: Sequence[Hashable], subjects: NDArray[np.int64]
) -> list[DataFault]:
    """Identical pictures: under two people an error, under one a genuine pair for nothing."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for number, digest in enumerate(digests):
        groups[digest].append(number)
    across: list[str] = []
    within: list[str] = []
    for numbers in groups.values():
        if len(numbers) > 1:
            kind = across if len(set(subjects[numbers])) > 1 else within
            kind.append(" = ".join(names[number] for number in numbers[:3]))
    return [
        *_finding(
            "duplicate-picture",
            "error",
            ("picture is filed under two people", "pictures are filed under two people"),
            across,
        ),
        *_finding(
            "repeated-picture",
            "warning",
            ("picture is there more than once", "pictures are there more than once"),
            within,
        ),
    ]


def channel_faults(pictures: Iterable[RgbImage], count: int) -> list[DataFault]:
    """One face may stand in blue light; half of them do not. `count`: of the whole set."""
    cheeks = [cheeks_of(picture) for picture in pictures]
    if not cheeks:
        return []
    blue = float(np.median([blue - red for red, blue in cheeks]))
    if blue <= BLUER_THAN_SKIN:
        return []
    what = (
        f"the faces are bluer than skin is (by {blue:.0f} grey levels, median of {len(cheeks)}):"
        " their channels look like BGR; write them as RGB"
    )
    return [DataFault("channel-order", "warning", what, count)]


def mislabelled(
    names: Sequence[str], embeddings: Float32, subjects: NDArray[np.int64], scores: PairScores
) -> list[DataFault]:
    """Pictures that resemble somebody else clearly and their own subject not at all."""
    point = equal_error(scores)
    if not isinstance(point, EqualError):
        return []
    strays, others = _strays(embeddings, subjects, point.threshold)
    examples = [f"{names[a]} resembles {names[b]}" for a, b in zip(strays, others)]
    judged = int((np.bincount(subjects)[subjects] > 1).sum())
    if len(strays) > _SHUFFLED * judged and _at_home_elsewhere(embeddings, subjects, strays):
        shuffled = f"{WORDS['mislabelled'][1]}: the labels look shuffled"
        return _finding("shuffled-labels", "error", (shuffled, shuffled), examples)
    if point.rate > _BLIND:
        what = "labels and model disagree (a poor model, or labels that it cannot judge)"
        return [DataFault("shuffled-labels", "warning", what, len(names))]
    return _finding("mislabelled", "warning", WORDS["mislabelled"], examples)


def _at_home_elsewhere(
    embeddings: Float32, subjects: NDArray[np.int64], strays: NDArray[np.int64]
) -> bool:
    """Whether most of them have a mate under another name, who stands apart from all strangers.

    To a weak model strays are as near to the nearest stranger as the crowd's tail foretells.
    """
    crowd = 3 + int(np.bincount(subjects).max())  # more than the pictures of one person elsewhere
    if 4 * crowd > len(subjects) - crowd:
        return False
    apart = 0
    asked = strays[:: -(-len(strays) // _ASKED)]
    for row in asked:
        cosines = embeddings @ embeddings[row]
        found = np.sort(cosines[subjects != subjects[row]])[::-1]
        step = (found[crowd] - found[4 * crowd]) / np.log(4)
        apart += bool(found[0] - found[crowd] > (np.log(crowd) + _APART) * step)
    return 2 * apart > len(asked)


def likely_same_people(
    names: Sequence[str], embeddings: Float32, subjects: NDArray[np.int64], scores: PairScores
) -> list[DataFault]:
    """Two subjects whose pictures match like one person's: perhaps one person filed twice."""
    point = equal_error(scores)
    if not isinstance(point, EqualError) or point.rate > _BLIND or not len(scores.genuine):
        return []
    typical = float(np.median(scores.genuine))
    codes, first = np.unique(subjects, return_index=True)
    means, counts = _sums(embeddings, subjects, codes)
    means /= counts[:, None]  # the mean score of two subjects is the product of their means
    found = []
    for start in range(0, len(codes), _ROWS):
        block = means[start : start + _ROWS] @ means.T
        for a, b in zip(*np.nonzero(block >= typical)):
            if start + a < b:
                found.append(f"{names[first[start + a]]} and {names[first[b]]}")
    return _finding("duplicate-subject", "warning", WORDS["duplicate-subject"], found)


def _strays(
    embeddings: Float32, subjects: NDArray[np.int64], limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows under `limit` with the rest of their subject and over it with another's mean."""
    codes, first = np.unique(subjects, return_index=True)
    sums, counts = _sums(embeddings, subjects, codes)
    own = np.searchsorted(codes, subjects)
    rest = sums[own] - embeddings
    with np.errstate(invalid="ignore", divide="ignore"):
        mine = np.einsum("nd,nd->n", embeddings, rest) / (counts[own] - 1)
    suspects = np.flatnonzero((counts[own] > 1) & (mine <= limit))
    means = sums / counts[:, None]
    strays, others = [], []
    for start in range(0, len(suspects), _ROWS):
        rows = suspects[start : start + _ROWS]
        block = embeddings[rows] @ means.T
        block[np.arange(len(rows)), own[rows]] = -1
        best = block.argmax(axis=1)
        clear = block[np.arange(len(rows)), best] > limit
        strays.append(rows[clear])
        others.append(first[best[clear]])
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *strays]), np.concatenate([empty, *others])


def _sums(
    embeddings: Float32, subjects: NDArray[np.int64], codes: NDArray[np.int64]
) -> tuple[Float32, NDArray[np.int64]]:
    own = np.searchsorted(codes, subjects)
    sums = np.zeros((len(codes), embeddings.shape[1]), np.float32)
    np.add.at(sums, own, embeddings)
    return sums, np.bincount(own, minlength=len(codes))


def _finding(
    code: str,
    severity: Literal["error", "warning"],
    words: tuple[str, str],
    examples: Sequence[str],
) -> list[DataFault]:
    if not examples:
        return []
    return [
        DataFault(
            code, severity, counted(len(examples), *words), len(examples), tuple(examples[:_SHOWN])
        )
    ]
