"""A budget as text and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict

from embedge.pipeline.budget.predicting import Budget, Faces, Fleet
from embedge.pipeline.budget.rates import RATES
from embedge.pipeline.recipe import Recipe

__all__ = ["budget_json", "budget_text"]

_UNRUN = "predicted, not yet run"


def budget_text(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Faces) -> str:
    return "\n".join(_lines(budget, recipe, fleet, faces))


def _lines(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Faces) -> Iterator[str]:
    teacher, student = budget.teacher, budget.student
    yield (f"{recipe.name} on {fleet.gpus} × {fleet.gpu.name} and {fleet.cores} cores: {_UNRUN}")
    yield (
        f"{faces.pictures:,} pictures of {faces.people:,} people; teacher {teacher.name},"
        f" {teacher.macs / 1e9:.1f} GMAC; student {student.name}, {student.macs / 1e9:.2f} GMAC,"
        f" {student.parameters / 1e6:.2f} M parameters"
    )
    yield f"\n{'':<22}{'pictures':>14}{'pictures/s':>13}{'time':>10}  bound by"
    for one in budget.stretches:
        yield (
            f"{one.what:<22}{one.pictures:>14,.0f}{one.rate:>13,.0f}"
            f"{_spoken(one.seconds):>10}  {one.bound}"
        )
    yield f"{'together':<22}{'':>27}{_spoken(budget.seconds):>10}"
    room = fleet.gpu.memory / 2**30
    fits = "fits" if budget.total_memory <= fleet.gpu.memory else "does NOT fit"
    yield f"\nmemory a GPU: {_size(budget.total_memory)} of {room:.0f} GiB, {fits}"
    yield from (f"  {name:<32}{_size(size):>12}" for name, size in budget.memory.items())
    yield f"disk: {_size(sum(budget.disk.values()))}"
    yield from (f"  {name:<32}{_size(size):>12}" for name, size in budget.disk.items())
    yield "rates (src/embedge/pipeline/budget/rates.py)"
    yield from (f"  {name}: {one.value:g} {one.unit}; {one.source}" for name, one in RATES.items())


def budget_json(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Faces) -> dict[str, object]:
    stretches = [
        {**asdict(one), "rate": one.rate, "bound": one.bound, "seconds": one.seconds}
        for one in budget.stretches
    ]
    return {
        "state": _UNRUN,
        "recipe": recipe.name,
        "fleet": asdict(fleet),
        "faces": asdict(faces),
        "stretches": stretches,
        "seconds": budget.seconds,
        "memory": budget.memory,
        "fits": budget.total_memory <= fleet.gpu.memory,
        "disk": budget.disk,
        "rates": {name: asdict(one) for name, one in RATES.items()},
    }


def _spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
