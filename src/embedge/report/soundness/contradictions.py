"""What no measurement can have found: a report that contradicts itself proves nothing."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from embedge.calibration.evaluation.figures import Comparison, Key, Side
from embedge.calibration.evaluation.integrity import DataFault
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Dataset, Gate, Report
from embedge.report.soundness.asked import merged, misasked
from embedge.report.soundness.counts.acquired import repeats_of, unaccounted
from embedge.report.soundness.curves import denied
from embedge.report.soundness.expected import expected_of, of_figures
from embedge.report.soundness.losses import denied_losses
from embedge.report.soundness.measured import mismeasured
from embedge.report.soundness.removed import removed

__all__ = ["contradictions"]

_ROUNDED = 1e-6
_SAME = 1e-9  # the same figure in another place
_LIMITS = {"%": (0.0, 100.0), "points": (-100.0, 100.0)}  # of values and of bounds
_ELSE = 1e6  # no cosine, no count of faults and no ratio comes near


def contradictions(report: Report) -> list[str]:
    """Every one, in words."""
    again = repeats_of(report)
    return [
        *_twice("gates", (gate.name for gate in report.verdict.gates)),
        *_measured_twice(report.verdict.gates),
        *mismeasured(report),
        *misasked(report),
        *_twice("comparisons", (str(one.key) for one in report.comparisons)),
        *_twice("artifacts", (one.name for one in report.artifacts)),
        *(line for gate in report.verdict.gates for line in _impossible(gate)),
        *(line for one in report.comparisons for line in _comparison(one)),
        *(f"{one.key}: {line}" for one in report.comparisons for line in denied(one, again)),
        *denied_losses(report.comparisons),
        *_thresholds(report),
        *_people(report),
        *_figures(report),
        *_faults(report),
        *removed(report),
        *unaccounted(report),
    ]


def _twice(what: str, names: Iterable[Hashable]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{times} {what} are called '{name}'"


def _measured_twice(gates: Sequence[Gate]) -> Iterator[str]:
    first = dict[Measurand, Gate]()
    for gate in gates:
        other = first.setdefault(gate.measures.identity, gate)
        if other.name != gate.name:
            yield f"gates '{other.name}' and '{gate.name}' measure the same"


def _impossible(gate: Gate) -> Iterator[str]:
    low, high = _LIMITS.get(gate.unit, (-_ELSE, _ELSE))
    for word, number in (("bound", gate.bound), ("value", gate.value), ("best", gate.at_best)):
        if number is not None and not low - _ROUNDED <= number <= high + _ROUNDED:
            yield f"gate '{gate.name}': its {word} {number:g} {gate.unit}".rstrip() + " cannot be"
    if gate.measures.figure in ("faults", "held-out-faults") and gate.bound != 0:
        yield f"gate '{gate.name}': it allows {gate.bound:g} faults, where any spoils the figures"


def _comparison(one: Comparison) -> Iterator[str]:
    yield from _twice(f"TAR entries of {one.key}", (f"FMR {point.fmr:g}" for point in one.tar))
    eer = one.eer
    if eer is not None and not eer.low - _ROUNDED <= eer.rate <= eer.high + _ROUNDED:
        interval = f"outside its interval, {eer.low:g} to {eer.high:g}"
        yield f"{one.key}: its equal error rate {eer.rate:g} lies {interval}"


def _figures(report: Report) -> Iterator[str]:
    """Gates that say something else than what they are of."""
    for gate in report.verdict.gates:
        found = expected_of(gate, report)
        if found is None:
            continue
        told = [(gate.value, found.value)] if found.whole else []
        if gate.at_best is not None:
            told.append((gate.at_best, found.best))
        for said, measured in told:
            if not _agree(said, measured):
                yield f"gate '{gate.name}' says {said}, and its comparison {measured}"
        least = found.best if found.least is None else found.least
        if not found.whole and _better(gate, least):
            yield f"gate '{gate.name}' says {gate.value}, better than its comparison {least}"


def _better(gate: Gate, best: float | None) -> bool:
    """Whether the far end is nearer than the rate itself."""
    if gate.value is None or best is None:
        return gate.value is None
    sign = 1 if gate.direction == "max" else -1
    return sign * gate.value < sign * best - _ROUNDED


def _agree(said: float | None, found: float | None) -> bool:
    if said is None or found is None:
        return said is found
    return math.isclose(said, found, rel_tol=_SAME, abs_tol=_SAME)


def _thresholds(report: Report) -> Iterator[str]:
    """An artifact decides at one threshold, which is within the bound that it promises."""
    known = {one.key: one for one in report.comparisons}
    for artifact in report.artifacts:
        if (held := artifact.threshold) is None:
            continue
        if not held.fmr - _ROUNDED <= held.fmr_upper <= held.fmr_target + _ROUNDED:
            yield f"{artifact.name}: the FMR of its threshold is not within its bound and target"
        side = Side("student", artifact.name)
        alone = known.get(Key(side, side))
        at = None if alone is None else alone.at_threshold
        if at is not None and abs(at.threshold - held.value) > _ROUNDED:
            yield (
                f"{artifact.name}: its threshold is {held.value:g}, and was judged at"
                f" {at.threshold:g}"
            )
        judged = alone is not None and alone.eer is not None and of_figures(report)
        promised = None if at is None else at.promised
        if judged and not _agree(promised, held.fmr_target):
            yield f"{artifact.name}: it promises {held.fmr_target:g}, and is held to {promised}"


def _people(report: Report) -> Iterator[str]:
    if (found := report.evaluation) is None:
        return
    data = found.dataset
    yield from _checked(data, report.verdict.gates)
    most = max((one.subjects for one in found.comparisons), default=0)
    if most > data.identities or data.identities > data.images:
        yield (
            f"{most:,} people are compared, of {data.identities:,} people and"
            f" {data.images:,} pictures"
        )


def _checked(data: Dataset, gates: Sequence[Gate]) -> Iterator[str]:
    """Whoever says that people were compared set thresholds on some, or looked for pictures."""
    looked = any("threshold" in gate.measures.checked for gate in gates)
    if data.thresholds_on != "not checked" and not data.threshold_identities and not looked:
        yield f"thresholds are of {data.thresholds_on}, and nothing was compared"


def _faults(report: Report) -> Iterator[str]:
    """A gate counts the errors among its findings; a merged report has the findings of all."""
    if (found := report.evaluation) is None:
        return
    counted = {
        Measurand("faults", key=Key(one.side, one.side)): _errors(one.findings)
        for one in found.tested
    }
    of_data = _errors(found.findings)
    held_out = of_data + (found.dataset.thresholds_on == "the same people")
    counted |= {Measurand("faults"): of_data, Measurand("held-out-faults"): held_out}
    for gate in report.verdict.gates:
        errors = counted.get(replace(gate.measures.identity, on=""))
        if errors is None:
            continue
        added = merged(report) and (gate.measures.on or gate.measures.key is None)
        if (gate.value or 0) > errors if added else gate.value != errors:
            counts = f"counts {gate.value} faults, and its findings are {errors}"
            yield f"gate '{gate.name}' {counts}"
    if merged(report) and held_out and report.verdict.passed:
        yield "a merged report with faults of the data has passed"


def _errors(findings: Sequence[DataFault]) -> int:
    return sum(one.severity == "error" for one in findings)
