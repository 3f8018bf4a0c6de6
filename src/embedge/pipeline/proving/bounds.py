"""The bounds on what an artifact may lose, wherever they are stated."""

from collections.abc import Iterator, Mapping

from embedge.calibration.evaluation.figures import Key
from embedge.pipeline.stages.ship.parity_result import ParityResult, student
from embedge.report.model import Direction, Gate

__all__ = ["cosine_gates", "gate", "loss_gates", "tar_of"]


def cosine_gates(bounds: Mapping[str, float], findings: ParityResult, whom: str) -> Iterator[Gate]:
    for name, facts in findings.artifacts.items():
        if name in bounds:
            what = f"cosine of {name} to {whom}, first percentile"
            yield gate(f"{name} parity", what, facts.cosine.p1, bounds[name], "min")


def loss_gates(fmr: float, bound: float, findings: ParityResult) -> Iterator[Gate]:
    whole = tar_of(findings, Key(student("fp32"), student("fp32")), fmr)
    for name in findings.artifacts:
        if name == "fp32":
            continue
        part = tar_of(findings, Key(student(name), student(name)), fmr)
        loss = None if whole is None or part is None else 100 * (whole - part)
        what = f"TAR that {name} loses against fp32 at FMR {fmr:g}"
        yield gate(f"{name} accuracy", what, loss, 100 * bound, "max", "points")


def tar_of(findings: ParityResult, key: Key, fmr: float) -> float | None:
    points = (one.tar_at(fmr) for one in findings.comparisons if one.key == key)
    return next((point.tar for point in points if point), None)


def gate(
    name: str, what: str, value: float | None, bound: float, side: Direction, unit: str = ""
) -> Gate:
    told = None if value is None else round(value, 5)
    return Gate.of(name, what, told, bound, side, unit)
