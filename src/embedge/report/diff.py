"""What changed between two reports, and whether it got worse beyond what chance explains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Change", "comparability", "report_changes"]

Interval = Sequence[float] | None
_WORTH_TELLING = 0.01  # a change of one percent where there is no interval to ask


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both reports. `certain` means that the intervals do not overlap."""

    what: str
    before: float | str | None
    after: float | str | None
    unit: str
    turn: Literal["better", "worse", "same", "changed"]
    certain: bool

    @property
    def regression(self) -> bool:
        return self.turn == "worse" and self.certain

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "regression": self.regression}


def report_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every figure that both reports carry, and everything that appeared or vanished."""
    return [
        *_gate_changes(before, after),
        *_rate_changes(before, after),
        *_artifact_changes(before, after),
        *_latency_changes(before, after),
    ]


def comparability(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Why figures of the two may not mean the same; empty when they do."""
    told = []
    for what, path in (
        ("the evaluation data", ("evaluation", "dataset", "fingerprint")),
        ("the embedding space", ("space", "id")),
        ("the processor", ("latency", "machine", "cpu")),
        ("the number of processors", ("latency", "machine", "cores")),
        ("the licence of the weights", ("provenance", "weight_licence")),
    ):
        one, other = _at(before, path), _at(after, path)
        if one is not None and other is not None and one != other:
            told.append(f"{what} differs: {one} and {other}")
    return told


def _at(report: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = report
    for key in path:
        value = (value or {}).get(key)
    return value


def _gate_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = (
        {gate["name"]: gate for gate in report["verdict"]["gates"]} for report in (before, after)
    )
    for name in _both_orders(old, new):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            yield _appeared(f"gate {name}", one, other)
            continue
        turn: Any = "same"
        if one["passed"] != other["passed"]:
            turn = "better" if other["passed"] else "worse"
        words = [("passed" if gate["passed"] else "failed") for gate in (one, other)]
        yield Change(f"gate {name}", words[0], words[1], "", turn, turn != "same")


def _rate_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = (_comparisons(report) for report in (before, after))
    for name in _both_orders(old, new):
        if name not in old or name not in new:
            yield _appeared(name, old.get(name), new.get(name))
            continue
        yield from _one_comparison(name, old[name], new[name])


def _comparisons(report: Mapping[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in (report.get("evaluation") or {}).get("comparisons", [])}


def _one_comparison(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    points = [{point["fmr"]: point for point in one.get("tar", [])} for one in (old, new)]
    for fmr in sorted(set(points[0]) & set(points[1]), reverse=True):
        one, other = points[0][fmr], points[1][fmr]
        if one.get("tar") is not None and other.get("tar") is not None:
            yield _figure(
                f"{name}: TAR at FMR {fmr:g}",
                (one["tar"], other["tar"]),
                intervals=(_ends(one), _ends(other)),
                larger_is_better=True,
            )
    if old.get("eer") is not None and new.get("eer") is not None:
        yield _figure(
            f"{name}: equal error rate",
            (old["eer"], new["eer"]),
            intervals=(_ends(old, "eer_"), _ends(new, "eer_")),
            larger_is_better=False,
        )


def _ends(value: Mapping[str, Any], prefix: str = "") -> Interval:
    low, high = value.get(f"{prefix}low"), value.get(f"{prefix}high")
    return None if low is None or high is None else (low, high)


def _artifact_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = ({one["name"]: one for one in r.get("artifacts", [])} for r in (before, after))
    for name in _both_orders(old, new):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            yield _appeared(f"artifact {name}", one, other)
            continue
        sizes = (one["bytes"], other["bytes"])
        yield _figure(f"{name}: size", sizes, larger_is_better=False, unit="bytes")
        if one.get("cosine_to_torch") and other.get("cosine_to_torch"):
            p1 = (one["cosine_to_torch"]["p1"], other["cosine_to_torch"]["p1"])
            yield _figure(f"{name}: cosine to the student, p1", p1, larger_is_better=True)


def _latency_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = (_latencies(report) for report in (before, after))
    for name in _both_orders(old, new):
        if name not in old or name not in new:
            yield _appeared(name, old.get(name), new.get(name))
            continue
        for quantile in ("p50", "p90", "p99"):
            values = (old[name].get(quantile), new[name].get(quantile))
            if None not in values:
                yield _figure(
                    f"{name}: {quantile}",
                    values,
                    intervals=tuple(
                        (row.get("interval") or {}).get(quantile) for row in (old[name], new[name])
                    ),
                    larger_is_better=False,
                    unit="ms",
                )


def _latencies(report: Mapping[str, Any]) -> dict[str, Any]:
    latency = report.get("latency") or {}
    rows = {
        f"{row['artifact']} on {row['threads']} thread{'s' if row['threads'] != 1 else ''}"
        + (f", batch {row['batch']}" if row.get("batch", 1) != 1 else ""): row
        for row in latency.get("artifacts", [])
    }
    return rows | {f"verification, {row['stage']}": row for row in latency.get("verify", [])}


def _figure(
    what: str,
    values: tuple[float, float],
    *,
    larger_is_better: bool,
    intervals: tuple[Interval, ...] = (None, None),
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


def _appeared(what: str, before: Any, after: Any) -> Change:
    """What only one report has: no regression by itself, but nothing to overlook."""
    there = ["there" if value is not None else None for value in (before, after)]
    return Change(what, there[0], there[1], "", "changed", True)


def _both_orders(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*new, *(name for name in old if name not in new)]
