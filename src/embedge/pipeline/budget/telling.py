"""A budget as text and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict

from embedge.pipeline.budget.predicting import Amount, Budget, Fleet
from embedge.pipeline.budget.rates import RATES
from embedge.pipeline.recipe import Recipe

__all__ = ["budget_json", "budget_text", "memory_text"]

_UNRUN = "predicted, not yet run"


def budget_text(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Amount) -> str:
    return "\n".join(_lines(budget, recipe, fleet, faces))


def _lines(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Amount) -> Iterator[str]:
    student = budget.student
    who = "people" if recipe.data.labels == "people" else "classes at most, for want of names"
    yield (f"{recipe.name} on {fleet.gpus} × {fleet.gpu.name} and {fleet.cores} cores: {_UNRUN}")
    yield (
        f"{faces.pictures:,} pictures of {faces.people:,} {who}; teacher"
        f" {_teacher(budget, recipe)}; student {student.name}, {student.macs / 1e9:.2f} GMAC,"
        f" {student.parameters / 1e6:.2f} M parameters"
    )
    unit, name, digits = (3600, "hours", 2) if budget.seconds >= 7200 else (60, "minutes", 1)
    yield f"\n{'':<28}{'pictures':>14}{'pictures/s':>13}{name:>10}  bound by"
    for one in budget.stretches:
        yield (
            f"{one.what:<28}{one.pictures:>14,.0f}{one.rate:>13,.0f}"
            f"{one.seconds / unit:>10.{digits}f}  {one.bound}"
        )
    yield f"{'together':<28}{'':>27}{budget.seconds / unit:>10.{digits}f}"
    if budget.recovers and recipe.data.labels == "people":
        yield "with teacher.head_shards nobody is asked for class centres"
    room = fleet.gpu.memory / 2**30
    fits = "fits" if budget.total_memory <= fleet.gpu.memory else "does NOT fit"
    yield f"\nmemory a GPU: {memory_text(budget.total_memory)} of {room:.0f} GiB, {fits}"
    if not budget.memory:
        yield "  nothing is trained on a GPU: the recipe's `train.device` says cpu"
    yield from _sizes(budget.memory)
    yield f"disk: {memory_text(sum(budget.disk.values()))}"
    yield from _sizes(budget.disk)
    yield "rates (src/embedge/pipeline/budget/rates.py)"
    gpu = fleet.gpu
    yield (
        f"  {gpu.name}: {gpu.peak / 1e12:.0f} TFLOP/s in bfloat16, {gpu.bandwidth / 1e12:g} TB/s of"
        f" memory, {gpu.link / 1e9:g} GB/s to another; published: its maker's data sheet"
    )
    yield from (f"  {name}: {one.told}; {one.source}" for name, one in RATES.items())


def _teacher(budget: Budget, recipe: Recipe) -> str:
    assumed = " (taken for the file's)" if recipe.teacher.source == "file" else ""
    return f"{budget.teacher.name}{assumed}, {budget.teacher.macs / 1e9:.1f} GMAC"


def _sizes(parts: dict[str, float]) -> Iterator[str]:
    yield from (f"  {name:<32}{memory_text(size):>12}" for name, size in parts.items() if size)


def budget_json(budget: Budget, recipe: Recipe, fleet: Fleet, faces: Amount) -> dict[str, object]:
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


def memory_text(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
