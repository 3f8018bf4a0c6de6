"""What the counts of one comparison leave of its rates, and its people of their intervals."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, comb, hypot, isclose, sqrt

from embedge.calibration.evaluation.figures import Comparison, DetCurve, Rate, TarPoint
from embedge.calibration.intervals.binomial import rule_of_three
from embedge.calibration.intervals.dyads import Lumps
from embedge.calibration.intervals.interval import CONFIDENCE, Interval
from embedge.calibration.rates import allowed_errors, people_for

__all__ = ["around", "fmr_allowed", "miscounted", "narrowed"]

_SAME = 1e-9
_SIDE = (1 + CONFIDENCE) / 2
_DRAWN = 0.8  # of the rule of three: the ends of intervals over people are drawn


def miscounted(one: Comparison, again: int = 0) -> Iterator[str]:
    """Every figure that its counts deny; so many pairs were listed `again`."""
    yield from _pairs(one, again)
    for point in one.tar:
        where = f"FMR {point.fmr:g}"
        if not 0 < point.fmr <= 1:
            yield f"{where} is asked for"
        elif point.tar is None:
            yield from (f"{where}: {line}" for line in _shortage(point, one))
        else:
            yield from (f"{where}: {line}" for line in _point(point, one))
    if (at := one.at_threshold) is not None:
        where = "at the threshold set beforehand"
        told = (("FMR", at.fmr, one.impostor), ("FNMR", at.fnmr, one.genuine))
        for what, rate, pairs in told:
            if not _whole(rate.rate, pairs):
                yield f"{where} its {what} {rate.rate:g} is no count of {pairs:,} comparisons"
        yield from narrowed(f"{where} its FMR", at.fmr, fmr_allowed(at.fmr, one))
        yield from narrowed(f"{where} its FNMR", at.fnmr, _of_people(at.fnmr.rate, one.subjects))
    if one.det is not None and one.det.threshold:
        yield from _curve(one, one.det)


def _pairs(one: Comparison, again: int) -> Iterator[str]:
    """Every two pictures at most, in both roles where two models embed them."""
    roles = 1 if one.gallery == one.probe else 2
    if one.genuine + one.impostor > comb(one.images, 2) * roles + again:
        yield f"{one.genuine + one.impostor:,} comparisons of {one.images:,} pictures"
    edges = one.histogram.edges
    if any(abs(edge + 1 - 2 * n / (len(edges) - 1)) > _SAME for n, edge in enumerate(edges)):
        yield "the edges of its histogram are not evenly from -1 to 1"
    mates = comb(max(one.images - one.subjects + 1, 0), 2) * roles
    if one.genuine > mates + again or one.subjects < 1 + (one.impostor > 0):
        yield f"{one.subjects:,} people with {one.images:,} pictures have no such comparisons"


def _shortage(point: TarPoint, one: Comparison) -> Iterator[str]:
    """How many it takes, by the rule that asked for them."""
    asked = {
        "people": (people_for(point.fmr), one.subjects),
        "impostor comparisons": (ceil(3 / point.fmr), one.impostor),
        "genuine comparisons": (1, one.genuine),
    }
    if point.of not in asked or point.needs is None:
        yield f"it needs {point.of}"
        return
    (least, there), have = asked[point.of], point.have
    if point.needs < least or (point.of != "people" and point.needs != least):
        yield f"it takes {least:,} {point.of}, and not {point.needs:,}"
    listed = one.genuine + one.impostor < comb(one.images, 2)  # of some people no strangers are
    if have is None or have > there or (have < there and not (listed and point.of == "people")):
        yield f"there are {there:,} {point.of}, and not {have}"
    elif one.impostor and have >= point.needs:
        yield f"it {point.shortage}, which suffices"


def _point(point: TarPoint, one: Comparison) -> Iterator[str]:
    measured, ends = point.measured, (point.low, point.high)
    matches, rejected = point.false_matches, point.false_non_matches
    if measured is None or None in (point.tar, *ends, point.threshold, matches, rejected):
        yield "its TAR is told without its errors, its threshold or its interval"
        return
    least = people_for(point.fmr)
    if one.subjects < least or one.impostor < ceil(3 / point.fmr):
        yield f"{one.subjects:,} people and {one.impostor:,} comparisons do not carry it"
    assert matches is not None, "just asked"
    assert rejected is not None, "just asked"
    assert point.tar is not None, "just asked"
    if matches > allowed_errors(point.fmr, one.impostor):
        yield f"{matches:,} false matches of {one.impostor:,} comparisons are more than that"
    if not _is(measured.rate, matches, one.impostor):
        yield f"{matches:,} false matches of {one.impostor:,} are not the rate {measured.rate:g}"
    if not _is(1 - point.tar, rejected, one.genuine):
        yield f"{rejected:,} rejections of {one.genuine:,} are not the TAR {point.tar:g}"
    yield from narrowed("its measured FMR", measured, fmr_allowed(measured, one))
    fnmr = Rate(1 - point.tar, 1 - (point.high or 0.0), 1 - (point.low or 0.0))
    yield from narrowed("its FNMR", fnmr, _of_people(fnmr.rate, one.subjects))


def _is(rate: float, errors: int, pairs: int) -> bool:
    return pairs > 0 and isclose(rate, errors / pairs, rel_tol=_SAME, abs_tol=1e-12)


def _whole(rate: float, pairs: int) -> bool:
    return _is(rate, round(rate * pairs), pairs)


def fmr_allowed(told: Rate, one: Comparison, heaviest: float = 0.0) -> Interval:
    """The narrowest: every two people are one piece of evidence, and none is heavier.

    How alike they are beyond that is told by the lower end, and holds for the upper one, too.
    """
    lumps = _lumps(told.rate, one)
    low = lumps.lower(_SIDE)
    if _SAME * told.rate < told.low < low:
        lumps = replace(lumps, variance=_variance(lumps, told.low))
    lumps = replace(lumps, heaviest=max(lumps.heaviest, heaviest))
    return Interval(low, lumps.upper(_SIDE))


def _variance(lumps: Lumps, low: float) -> float:
    """The least with such a lower end, which is nothing beyond twenty times the rate squared."""
    least, most = lumps.variance, 20 * lumps.rate**2
    while most - least > _SAME * least:
        middle = sqrt(least * most)
        if replace(lumps, variance=middle).lower(_SIDE) > low:
            least = middle
        else:
            most = middle
    return least


def _lumps(rate: float, one: Comparison) -> Lumps:
    unit = 1 / max(1, min(one.impostor, comb(one.subjects, 2)))
    return Lumps(rate, rate * unit, unit)


def _of_people(rate: float, people: int) -> Interval:
    """The narrowest of an FNMR: all are rejected equally often, and one more could always be."""
    unmet = _DRAWN * rule_of_three(people, _SIDE)
    return Interval(rate * (1 - unmet), rate + (1 - rate) * unmet)


def narrowed(what: str, told: Rate, least: Interval) -> Iterator[str]:
    if told.low > least.low + _SAME or told.high < least.high - _SAME:
        yield (
            f"the interval of {what}, {told.low:.4g} to {told.high:.4g}, is narrower than its"
            f" people allow ({least.low:.4g} to {least.high:.4g})"
        )


def _curve(one: Comparison, det: DetCurve) -> Iterator[str]:
    rates = ((fmr, one.impostor) for fmr in det.fmr), ((fnmr, one.genuine) for fnmr in det.fnmr)
    if any(not _whole(*told) for some in rates for told in some):
        yield "its DET curve has rates that are no counts of its comparisons"
    for ends in zip(det.fnmr, det.low, det.high):
        if told := list(narrowed("its DET curve", Rate(*ends), _of_people(ends[0], one.subjects))):
            yield told[0]
            break
    yield from _crossing(one, det)
    if (at := one.at_threshold) is not None:
        for what, end, band in (("low", at.fnmr.low, det.low), ("high", at.fnmr.high, det.high)):
            least, most = around(det, band, at.threshold)
            if not least - _SAME <= end <= most + _SAME:
                place = f"and its DET curve {least:g} to {most:g}"
                yield f"the {what} end of its FNMR is {end:g}, {place}"
    for point in one.tar:
        if point.threshold is not None:
            yield from (f"FMR {point.fmr:g}: {line}" for line in _beside(point, one, det))


def _crossing(one: Comparison, det: DetCurve) -> Iterator[str]:
    """Where the band of the FNMR meets the FMR an equal error rate is at least so unsure."""
    if (eer := one.eer) is None:
        return
    low = min(max(ends) for ends in zip(det.fmr, det.low))
    high = max(min(ends) for ends in zip(det.fmr, det.high))
    yield from narrowed(
        "its equal error rate", Rate(eer.rate, eer.low, eer.high), Interval(low, high)
    )


def _beside(point: TarPoint, one: Comparison, det: DetCurve) -> Iterator[str]:
    """No looser threshold keeps the FMR; the doubt of the threshold adds to that of the band."""
    threshold, told = point.threshold or 0.0, tuple(zip(det.threshold, det.fmr))
    if any(fmr <= point.fmr and limit < threshold - _SAME for limit, fmr in told):
        yield "a looser threshold of its DET curve keeps it, too"
    rate = 1 - (point.tar or 0.0)
    least, most = around(det, det.high, threshold)[0], around(det, det.low, threshold)[1]
    strict = bisect_left(det.fmr, 1, key=lambda fmr: _upper(fmr, one) <= point.fmr)
    moved = max(0.0, det.fnmr[strict - 1] - rate) if strict else 0.0
    least = min(1.0, rate + hypot(max(0.0, least - rate), moved))
    if 1 - (point.low or 0.0) < least - _SAME or 1 - (point.high or 0.0) > most + _SAME:
        yield "the interval of its TAR is narrower than its DET curve allows"


def _upper(rate: float, one: Comparison) -> float:
    return _lumps(rate, one).upper(CONFIDENCE)


def around(
    det: DetCurve, series: Sequence[float], at: float, first: float = 0.0, last: float = 1.0
) -> tuple[float, float]:
    """What a series of it has on both sides of a threshold: between them it lies there."""
    left, right = bisect_right(det.threshold, at) - 1, bisect_left(det.threshold, at)
    return (series[left] if left >= 0 else first), (series[right] if right < len(series) else last)
