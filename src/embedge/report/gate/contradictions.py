"""What no measurement can have found: a report that contradicts itself proves nothing."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence

from embedge.calibration.evaluation.figures import Comparison, TarPoint
from embedge.calibration.evaluation.integrity import DataFault
from embedge.report.gate.measured import measured_of
from embedge.report.model import Gate, Report

__all__ = ["contradictions"]

_ROUNDED = 1e-6
_LIMITS = {"%": (0.0, 100.0), "points": (-100.0, 100.0)}  # of values and of bounds
_ELSE = 1e6  # no cosine, no count of faults and no ratio comes near


def contradictions(report: Report) -> list[str]:
    """Every one, in words."""
    return [
        *_twice("gates", (gate.name for gate in report.verdict.gates)),
        *_twice("comparisons", (str(one.key) for one in report.comparisons)),
        *_twice("artifacts", (one.name for one in report.artifacts)),
        *(line for gate in report.verdict.gates for line in _impossible(gate)),
        *(line for one in report.comparisons for line in _comparison(one)),
        *_figures(report),
        *_faults(report),
    ]


def _twice(what: str, names: Iterable[Hashable]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{times} {what} are called '{name}'"


def _impossible(gate: Gate) -> Iterator[str]:
    low, high = _LIMITS.get(gate.unit, (-_ELSE, _ELSE))
    for word, number in (("bound", gate.bound), ("value", gate.value), ("best", gate.at_best)):
        if number is not None and not low - _ROUNDED <= number <= high + _ROUNDED:
            yield f"gate '{gate.name}': its {word} {number:g} {gate.unit}".rstrip() + " cannot be"
    if gate.name.startswith("faults: ") and gate.bound != 0:
        yield f"gate '{gate.name}': it allows {gate.bound:g} faults, where any spoils the figures"


def _comparison(one: Comparison) -> Iterator[str]:
    yield from _twice(f"TAR entries of {one.key}", (f"FMR {point.fmr:g}" for point in one.tar))
    if one.at_threshold is not None:
        rates = (("FMR", one.at_threshold.fmr), ("FNMR", one.at_threshold.fnmr))
        for what, found in rates:
            yield from _interval(f"{one.key}: {what}", found.rate, found.low, found.high)
    if (eer := one.eer) is not None:
        yield from _interval(f"{one.key}: equal error rate", eer.rate, eer.low, eer.high)
    for point in one.tar:
        if point.tar is not None:
            yield from _point(f"{one.key}: TAR at FMR {point.fmr:g}", point, one)


def _interval(what: str, rate: float, low: float | None, high: float | None) -> Iterator[str]:
    if low is not None and low > rate + _ROUNDED:
        yield f"{what}: {rate:g} lies under the low end {low:g} of its interval"
    if high is not None and high < rate - _ROUNDED:
        yield f"{what}: {rate:g} lies over the high end {high:g} of its interval"


def _point(what: str, point: TarPoint, one: Comparison) -> Iterator[str]:
    assert point.tar is not None, "only what was measured is held against its counts"
    yield from _interval(what, point.tar, point.low, point.high)
    measured = None if point.measured is None else point.measured.rate
    told = (
        ("false matches", point.false_matches, measured, one.impostor),
        ("false non-matches", point.false_non_matches, 1 - point.tar, one.genuine),
    )
    for kind, count, rate, pairs in told:
        if count is None or rate is None:
            continue
        if count > pairs or abs(count - rate * pairs) > 1 + _ROUNDED * pairs:
            yield f"{what}: {count:,} {kind} of {pairs:,} pairs are not the rate {rate:g}"


def _figures(report: Report) -> Iterator[str]:
    """Gates that say something else than what they are of."""
    for gate in report.verdict.gates:
        found = measured_of(gate, report)
        if found is None:
            continue
        told = [(gate.value, found.value)] if found.whole else []
        if gate.at_best is not None:
            told.append((gate.at_best, found.best))
        for said, measured in told:
            if not _agree(said, measured):
                yield f"gate '{gate.name}' says {said}, and its comparison {measured}"
        if not found.whole and _better(gate, found.best):
            yield f"gate '{gate.name}' says {gate.value}, better than its comparison {found.best}"


def _better(gate: Gate, best: float | None) -> bool:
    """Whether the far end is nearer than the rate itself."""
    if gate.value is None or best is None:
        return gate.value is None
    sign = 1 if gate.direction == "max" else -1
    return sign * gate.value < sign * best - _ROUNDED


def _agree(said: float | None, found: float | None) -> bool:
    if said is None or found is None:
        return said is found
    return abs(said - found) <= _ROUNDED


def _faults(report: Report) -> Iterator[str]:
    """A merged report keeps the gate of the first, and has the findings of all."""
    if report.evaluation is None or "merged" in report.provenance.more:
        return
    found = {"faults: the data": report.evaluation.findings}
    found |= {f"faults: {one.side}": one.findings for one in report.evaluation.tested}
    for gate in report.verdict.gates:
        if gate.name in found and gate.value != _errors(found[gate.name]):
            errors = _errors(found[gate.name])
            yield f"gate '{gate.name}' counts {gate.value} faults, and its findings are {errors}"


def _errors(findings: Sequence[DataFault]) -> int:
    return sum(one.severity == "error" for one in findings)
