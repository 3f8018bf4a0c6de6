"""What changed between two reports, and whether it got worse beyond what chance explains."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from embedge.bench.results import ArtifactLatency, Percentiles
from embedge.calibration.evaluation.figures import Comparison
from embedge.calibration.evaluation.integrity import DataFault
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Artifact, Gate, Report
from embedge.runtime.threshold import Threshold

__all__ = ["Change", "comparability", "obstacles", "report_changes"]

K = TypeVar("K")
V = TypeVar("V")
Interval = tuple[float, float] | None
Turn = Literal["better", "worse", "same", "changed"]
_GATE, _FINDING = "gate ", "finding "
_RANKS = {"failed": 0, "not shown": 1, "passed": 2}
_MEANING = "the evaluation data"  # without it rates are of other people
_DIGITS = 1e-5  # of a cosine: what another processor may change
_WORTH_TELLING = 0.01  # a change of one percent where there is no interval to ask


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both reports. `certain` means that the intervals do not overlap."""

    what: str
    before: float | str | None
    after: float | str | None
    unit: str
    turn: Turn
    certain: bool
    definition: bool = False
    """whether what was asked changed, and not what was found"""

    @property
    def regression(self) -> bool:
        return self.turn == "worse" and self.certain


def report_changes(before: Report, after: Report) -> list[Change]:
    """Every figure that both reports carry, and everything that appeared or vanished."""

    def rows(found: Callable[[Report], Mapping[K, V]]) -> tuple[Mapping[K, V], Mapping[K, V]]:
        return found(before), found(after)

    return [
        *_changes(_GATE, *rows(_gates), _gate),
        *_changes("", *rows(lambda r: {one.key: one for one in r.comparisons}), _comparison),
        *_changes("artifact ", *rows(lambda r: {one.name: one for one in r.artifacts}), _artifact),
        *_thresholds(before, after),
        *_changes(_FINDING, *rows(_findings), _finding),
        *_changes("", *rows(_latencies), _latency),
    ]


def obstacles(before: Report, after: Report, changes: Sequence[Change]) -> list[str]:
    """Why the two cannot vouch for each other: then no regression means nothing."""
    told = []
    shared = {one.key for one in before.comparisons} & {one.key for one in after.comparisons}
    if before.comparisons and not shared:
        told.append("no comparison is in both reports")
    elif not any(change.turn != "changed" for change in changes):
        told.append("no figure is in both reports")
    told += [one for one in comparability(before, after) if one.startswith(_MEANING)]
    told += [f"{one.what}: {one.before} → {one.after}" for one in changes if one.definition]
    return told


def comparability(before: Report, after: Report) -> list[str]:
    """Why figures of the two may not mean the same; empty when they do."""
    told = []
    for what, found in _CIRCUMSTANCES.items():
        one, other = found(before), found(after)
        if one is not None and other is not None and one != other:
            told.append(f"{what} differs: {one} and {other}")
    return told


_CIRCUMSTANCES: dict[str, Callable[[Report], Any]] = {
    "the evaluation data": lambda r: r.evaluation and r.evaluation.dataset.fingerprint,
    "the embedding space": lambda r: r.space and r.space.id,
    "the processor": lambda r: r.latency and r.latency.machine.cpu,
    "the number of processors": lambda r: r.latency and r.latency.machine.cores,
    "the licence of the weights": lambda r: r.provenance.weight_licence,
}


def _changes(
    kind: str,
    old: Mapping[K, V],
    new: Mapping[K, V],
    compared: Callable[[str, V, V], Iterator[Change]],
) -> Iterator[Change]:
    """What only one report has is no regression by itself, but nothing to overlook."""
    for key in [*new, *(key for key in old if key not in new)]:
        if key in old and key in new:
            yield from compared(str(key), old[key], new[key])
        else:
            there = ["there" if key in rows else None for rows in (old, new)]
            lost = kind == _GATE and there[1] is None
            fault = new.get(key) if key not in old else None
            worse = isinstance(fault, DataFault) and fault.severity == "error"
            turn: Turn = "worse" if worse else "changed"
            yield Change(f"{kind}{key}", there[0], there[1], "", turn, True, definition=lost)


@dataclass(frozen=True, slots=True)
class _Gated:
    """Which gate it is, whatever it is called."""

    measures: Measurand
    name: str = field(compare=False)

    def __str__(self) -> str:
        return self.name


def _gates(report: Report) -> dict[_Gated, Gate]:
    return {_Gated(one.measures.identity, one.name): one for one in report.verdict.gates}


def _gate(name: str, old: Gate, new: Gate) -> Iterator[Change]:
    questions = [(one.measures, one.direction, one.bound, one.unit) for one in (old, new)]
    if questions[0] != questions[1]:  # neither answer is better
        asked = [_asked(gate) for gate in (old, new)]
        yield Change(f"gate {name} asks", asked[0], asked[1], "", "changed", True, definition=True)
        if _RANKS[new.outcome] >= _RANKS[old.outcome]:
            return
    turn: Turn = "same"
    if old.outcome != new.outcome:
        turn = "better" if _RANKS[new.outcome] > _RANKS[old.outcome] else "worse"
    yield Change(f"gate {name}", old.outcome, new.outcome, "", turn, turn != "same")


def _asked(gate: Gate) -> str:
    side = "at least" if gate.direction == "min" else "at most"
    return f"{gate.what}: {side} {gate.bound:g} {gate.unit}".rstrip()


def _thresholds(before: Report, after: Report) -> Iterator[Change]:
    """A threshold that is gone, looser or on less evidence is worse: a device decides by it."""
    kept = {one.name: one.threshold for one in after.artifacts}
    for one in before.artifacts:
        old, new = one.threshold, kept.get(one.name)
        if old is None:
            continue
        what = f"{one.name}: FMR its threshold keeps"
        if new is None:
            yield Change(what, old.fmr_target, None, "", "worse", True)
        elif new.fmr_target != old.fmr_target:
            turn: Turn = "worse" if new.fmr_target > old.fmr_target else "better"
            yield Change(what, old.fmr_target, new.fmr_target, "", turn, True)
        else:
            yield from _moved(one.name, old, new)


def _moved(name: str, old: Threshold, new: Threshold) -> Iterator[Change]:
    """With the same people and the same file it cannot move, whatever its evidence says."""
    same = (old.dataset, old.model) == (new.dataset, new.model)
    there = (old.value, new.value)
    beyond = same and abs(new.value - old.value) > _DIGITS
    moved: Turn = "same" if new.value == old.value else "worse" if beyond else "changed"
    yield Change(f"{name}: its threshold", *there, "", moved, beyond)
    for what, some in (("people", (old.subjects, new.subjects)), ("FMR", (old.fmr, new.fmr))):
        lost = some[1] < some[0] if what == "people" else new.fmr > old.fmr_upper
        turn: Turn
        turn = "same" if some[0] == some[1] else "worse" if lost else "changed"
        yield Change(f"{name}: {what} behind its threshold", some[0], some[1], "", turn, lost)


def _findings(report: Report) -> dict[str, DataFault]:
    """Faults of the data and what every model saw, by whom and kind."""
    if (found := report.evaluation) is None:
        return {}
    told = [("the data", found.findings), *((str(one.side), one.findings) for one in found.tested)]
    return {f"{one.code} of {whose}": one for whose, some in told for one in some}


def _finding(name: str, old: DataFault, new: DataFault) -> Iterator[Change]:
    more = new.severity == "error" and (old.severity != "error" or new.count > old.count)
    turn: Turn = "worse" if more else "same" if old == new else "changed"
    yield Change(f"{_FINDING}{name}", old.what, new.what, "", turn, more)


def _comparison(name: str, old: Comparison, new: Comparison) -> Iterator[Change]:
    for one in sorted(old.tar, key=lambda point: point.fmr, reverse=True):
        other = new.tar_at(one.fmr)
        if one.tar is not None and (other is None or other.tar is None):
            why = None if other is None else other.lacks
            yield Change(f"{name}: TAR at FMR {one.fmr:g}", one.tar, why, "", "worse", True)
        elif one.tar is not None and other is not None and other.tar is not None:
            fmr = one.fmr
            yield _figure(
                f"{name}: TAR at FMR {fmr:g}",
                (one.tar, other.tar),
                intervals=(_ends(one.low, one.high), _ends(other.low, other.high)),
                larger_is_better=True,
            )
    if old.eer is not None and new.eer is not None:
        yield _figure(
            f"{name}: equal error rate",
            (old.eer.rate, new.eer.rate),
            intervals=((old.eer.low, old.eer.high), (new.eer.low, new.eer.high)),
            larger_is_better=False,
        )
    elif old.eer is not None:
        yield Change(f"{name}: equal error rate", old.eer.rate, None, "", "worse", True)
    yield from _at_threshold(name, old, new)


def _at_threshold(name: str, old: Comparison, new: Comparison) -> Iterator[Change]:
    """What the device does, at the threshold it decides by."""
    one, other = old.at_threshold, new.at_threshold
    if one is None:
        return
    if other is None:
        yield Change(f"{name}: rates at its threshold", "there", None, "", "worse", True)
        return
    for what in ("fmr", "fnmr"):
        was, now = getattr(one, what), getattr(other, what)
        yield _figure(
            f"{name}: {what.upper()} at its threshold",
            (was.rate, now.rate),
            intervals=((was.low, was.high), (now.low, now.high)),
            larger_is_better=False,
        )


def _ends(low: float | None, high: float | None) -> Interval:
    return None if low is None or high is None else (low, high)


def _artifact(name: str, old: Artifact, new: Artifact) -> Iterator[Change]:
    sizes = (old.bytes, new.bytes)
    yield _figure(f"{name}: size", sizes, larger_is_better=False, unit="bytes")
    if old.cosine_to_torch and new.cosine_to_torch:
        p1 = (old.cosine_to_torch.p1, new.cosine_to_torch.p1)
        yield _figure(f"{name}: cosine to the student, p1", p1, larger_is_better=True)


@dataclass(frozen=True, slots=True)
class _Timed:
    """Which latency it is: of an artifact by itself, or of a stage of a verification."""

    what: str
    threads: int = 0
    batch: int = 0

    def __str__(self) -> str:
        if not self.threads:
            return f"verification, {self.what}"
        batch = f", batch {self.batch}" if self.batch != 1 else ""
        return f"{self.what} on {self.threads} thread{'s' if self.threads != 1 else ''}{batch}"


def _latencies(report: Report) -> dict[_Timed, Percentiles]:
    if report.latency is None:
        return {}

    def key(row: ArtifactLatency) -> _Timed:
        return _Timed(row.artifact, row.threads, row.batch)

    rows: dict[_Timed, Percentiles] = {key(row): row for row in report.latency.artifacts}
    return rows | {_Timed(row.stage): row for row in report.latency.verify}


def _latency(name: str, old: Percentiles, new: Percentiles) -> Iterator[Change]:
    for quantile in ("p50", "p90", "p99"):
        before, after = getattr(old, quantile), getattr(new, quantile)
        if before is not None and after is not None:
            yield _figure(
                f"{name}: {quantile}",
                (before, after),
                intervals=(old.interval.get(quantile), new.interval.get(quantile)),
                larger_is_better=False,
                unit="ms",
            )


def _figure(
    what: str,
    values: Sequence[float],
    *,
    larger_is_better: bool,
    intervals: tuple[Interval, Interval] = (None, None),
    unit: str = "",
) -> Change:
    """With intervals, certain means disjoint; without, more than one percent."""
    before, after = values
    one, other = intervals
    if one is not None and other is not None:
        certain = one[1] < other[0] or other[1] < one[0]
    else:
        certain = abs(after - before) > _WORTH_TELLING * max(abs(before), 1e-12)
    if after == before:
        return Change(what, before, after, unit, "same", False)
    better = (after > before) == larger_is_better
    return Change(what, before, after, unit, "better" if better else "worse", certain)
