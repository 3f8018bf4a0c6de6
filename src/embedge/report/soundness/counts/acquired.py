"""Pictures, people and findings of a report, by arithmetic: who was tried is compared or failed."""

from collections.abc import Iterator
from math import comb, isclose, isqrt, sqrt

from embedge.calibration.evaluation.figures import Acquisition, Comparison, Key, Rate
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.intervals.dyads import ENOUGH, JUDGED
from embedge.calibration.people.zoo import Zoo
from embedge.report.model import Evaluation, Report, Tested
from embedge.report.soundness.counts.points import fmr_allowed, narrowed

__all__ = ["repeats_of", "unaccounted"]

_SAME = 1e-9
_LISTED = 100  # of the failures


def unaccounted(report: Report) -> Iterator[str]:
    """Every count that the others deny."""
    if (found := report.evaluation) is None:
        return
    known = {one.key: one for one in found.comparisons}
    asked = {gate.measures.figure for gate in report.verdict.gates}
    evaluated = "faults" in asked and "held-out-faults" not in asked  # a run tries others, too
    of_list = _of_list(report)
    if known and not found.tested:
        yield "nobody was tested, and comparisons were made"
    for one in found.tested:
        yield from _findings(str(one.side), one.findings)
        alone = known.get(Key(one.side, one.side))
        if (seen := one.acquisition) is None:
            yield f"{one.side}: how many pictures could be embedded is not told"
            continue
        yield from (f"{one.side}: {line}" for line in _failed(seen))
        if not evaluated:
            continue
        if alone is None and not one.identification:
            yield f"{one.side}: it was tested, and compared with nobody"
        yield from (f"{one.side}: {line}" for line in _acquired(one, seen, alone, found))
        if alone is not None and not (of_list or _listed(one, alone)):
            missing = comb(seen.attempted, 2) - alone.genuine - alone.impostor
            if seen.comparisons_left_out != missing:
                left_out = f"{seen.comparisons_left_out:,} comparisons were left out"
                yield f"{one.side}: {left_out}, and {missing:,} are missing"
    yield from _findings("the data", found.findings)
    for key, compared in known.items():
        if not evaluated and compared.images != found.dataset.images:
            yield f"{key}: {compared.images:,} pictures, of {found.dataset.images:,}"
    if found.zoo is not None:
        told = _zoo(found.zoo, found.comparisons, of_list)
        yield from (f"the list of people: {line}" for line in told)


def repeats_of(report: Report) -> int:
    """Pairs that a list names again: more than one in a hundred are an error, which none passes."""
    if (found := report.evaluation) is None or not _of_list(report):
        return 0
    few = comb(found.dataset.images, 2) // 99 + 1
    told = [one for one in found.findings if one.code == "repeated-pairs"]
    return sum(one.count for one in told if one.severity == "error" or one.count <= few)


def _of_list(report: Report) -> bool:
    return any("pairs" in gate.measures.checked for gate in report.verdict.gates)


def _failed(seen: Acquisition) -> Iterator[str]:
    """Failures are named, or none of them is."""
    listed = len(seen.failures)
    if seen.failed > seen.attempted or listed not in {0, min(seen.failed, _LISTED)}:
        yield f"{seen.failed:,} of {seen.attempted:,} pictures failed, and {listed:,} are listed"


def _acquired(
    one: Tested, seen: Acquisition, alone: Comparison | None, found: Evaluation
) -> Iterator[str]:
    if seen.attempted != found.dataset.images:
        yield f"{seen.attempted:,} pictures were tried, of {found.dataset.images:,}"
    left = seen.attempted - seen.failed
    if one.templates is not None:
        left = one.templates.total - one.templates.failed
    if alone is not None and alone.images != left:
        yield f"{alone.images:,} are compared, and {left:,} could be"
    people = found.dataset.identities
    if alone is not None and alone.subjects + seen.failed < people and not _listed(one, alone):
        yield f"{alone.subjects:,} people are compared, of {people:,}"


def _listed(one: Tested, alone: Comparison) -> bool:
    """Whether pairs were listed: otherwise every two pictures are compared."""
    listed = one.accuracy is not None or one.templates is not None
    return listed or alone.genuine + alone.impostor < comb(alone.images, 2)


def _findings(whose: str, findings: tuple[DataFault, ...]) -> Iterator[str]:
    """A sentence that begins with a number begins with its count."""
    for one in findings:
        number = one.what.partition(" ")[0].replace(",", "")
        if (number.isdecimal() and int(number) != one.count) or len(one.examples) > one.count:
            yield f"{whose}: '{one.what}' counts {one.count:,}"


def _zoo(zoo: Zoo, comparisons: tuple[Comparison, ...], of_list: bool) -> Iterator[str]:
    """All errors are somebody's: a false match is one of two people, a rejection of one."""
    one = next((some for some in comparisons if some.name == zoo.comparison), None)
    if one is None:
        yield f"there is no comparison '{zoo.comparison}'"
        return
    if len(zoo.people) + zoo.others != one.subjects:
        yield f"{len(zoo.people) + zoo.others:,} people, where {one.subjects:,} are compared"
    if any(person.rejected > person.genuine for person in zoo.people):
        yield "somebody is rejected more often than compared"
    if (line := one.line) is None or not isclose(line.value, zoo.threshold, rel_tol=_SAME):
        yield f"it is told at {zoo.threshold:g}, which is not the line of {one.name}"
        return
    sums = tuple(
        sum(getattr(person, kind) for person in zoo.people)
        for kind in ("genuine", "rejected", "matched")
    )
    counts = (one.genuine, *_errors(one, line.value))
    most = all(some <= count for some, count in zip(sums, counts))
    if sums != counts if not zoo.others else not most:
        yield f"{sums} comparisons, rejections and matches, of {counts}"
        return
    if of_list and one.genuine + one.impostor != comb(one.images, 2):
        return  # who met whom is not told
    if (told := _told_at(one, line.value)) is not None:
        yield from narrowed("their FMR", told, fmr_allowed(told, one, _heaviest(zoo, one)))


def _told_at(one: Comparison, line: float) -> Rate | None:
    if one.at_threshold is not None:
        return one.at_threshold.fmr
    return next(point for point in one.tar if point.threshold == line).measured


def _heaviest(zoo: Zoo, one: Comparison) -> float:
    """What the most matching person adds to the FMR at least, whoever it is that they match.

    Nothing where not everybody is listed, or where the errors are none to judge by.
    """
    pictures = [(1 + isqrt(1 + 8 * person.genuine)) // 2 for person in zoo.people]
    errors = sum(person.matched for person in zoo.people) // 2
    if sum(pictures) != one.images or not JUDGED <= errors <= ENOUGH or errors >= one.impostor:
        return 0.0
    rate, squares, found = errors / one.impostor, sum(own**2 for own in pictures), 0.0
    largest, smallest = max(pictures), min(pictures)
    for person, own in zip(zoo.people, pictures):
        off = person.matched - rate * own * (one.images - own)
        most, least = own * largest, own * smallest
        cells = person.matched * (most - 2 * rate * least) + rate**2 * own**2 * (squares - own**2)
        found = max(found, off**2 - cells / 2)
    return sqrt(found) / one.impostor


def _errors(one: Comparison, line: float) -> tuple[int, int]:
    """Rejections, and both ends of every false match."""
    if (at := one.at_threshold) is not None:
        return round(at.fnmr.rate * one.genuine), 2 * round(at.fmr.rate * one.impostor)
    point = next(point for point in one.tar if point.threshold == line)
    return point.false_non_matches or 0, 2 * (point.false_matches or 0)
