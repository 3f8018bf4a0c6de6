"""Which shape to train: the front of milliseconds and work first, then short trainings decide.

Multiplications order the widths of one family, and say little between families. So of every family
the largest shapes within the limit learn for as many steps by the same method, and the error of
the teacher's gallery with the student's probes, on people nobody learnt from, orders them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import yaml

from embedge.bench.fitting.shapes import DeviceTimes, Shape, Timing
from embedge.errors import EmbedgeError
from embedge.files import write_json, write_text
from embedge.pipeline.compare.comparing import Contestant, compare_methods
from embedge.pipeline.compare.result import Metric, StudentRun
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.run import Run
from embedge.typed import plain

__all__ = ["Fit", "fitted", "fragment", "keep", "shortlist", "told"]

_NONE = 2.0
"""beyond every rate"""


@dataclass(frozen=True, slots=True)
class Fit:
    """A shape in its fastest precision; its errors where it has learnt."""

    shape: Shape
    timing: Timing
    eer: float | None = None
    tar: float | None = None
    best: bool = False
    """none that is as fast errs less"""

    @property
    def family(self) -> tuple[str, str]:
        return self.shape.architecture, self.shape.activation


def shortlist(
    device: DeviceTimes, most_ms: float, count: int, precisions: Sequence[str] = ()
) -> list[Fit]:
    """At most `count` shapes within the limit: the largest of every family that no faster one of
    its family outweighs, the families in turn."""
    fits = [_fastest(device, shape, precisions) for shape in device.shapes]
    within = [fit for fit in fits if fit is not None and fit.timing.ms <= most_ms]
    if not within:
        raise _too_slow([fit for fit in fits if fit is not None], most_ms)
    families = defaultdict[tuple[str, str], list[Fit]](list)
    for fit in sorted(within, key=lambda one: (-one.shape.macs, one.timing.ms)):
        if all(fit.timing.ms < larger.timing.ms for larger in families[fit.family]):
            families[fit.family].append(fit)
    ranked = sorted(families.values(), key=lambda one: -one[0].shape.macs)
    in_turn = [fit for rank in zip_longest(*ranked) for fit in rank if fit is not None]
    return in_turn[:count]


def fitted(run: Run, recipe: Recipe, wanted: Sequence[Fit], seeds: Sequence[int]) -> list[Fit]:
    """All of them after as many steps, by their error; the first is the one to train for long."""
    contestants = [
        Contestant(fit.shape.name, recipe.distill.method, _shaped(recipe, fit.shape))
        for fit in wanted
    ]
    found = compare_methods(run, recipe, contestants, seeds)
    learnt = [_judged(fit, found.methods[fit.shape.name].runs, recipe) for fit in wanted]
    fronted = [replace(fit, best=_leads(fit, learnt)) for fit in learnt]
    return sorted(fronted, key=lambda fit: (_NONE if fit.eer is None else fit.eer, fit.timing.ms))


def told(fits: Sequence[Fit], device: DeviceTimes, fmr: float) -> str:
    """As a Markdown table, from the fastest; a star marks the front."""
    head = (
        f"| shape | artifact | ms | KB | parameters | MACs | EER | TAR@{fmr:g} | front |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows = [_row(fit) for fit in sorted(fits, key=lambda one: one.timing.ms)]
    where = f"{device.machine.cpu}, {device.threads} thread{'s' * (device.threads != 1)}"
    return "\n".join([head, *rows, "", f"Milliseconds of one face on {where} ({device.provider})."])


def fragment(run: Run, chosen: Fit) -> Path:
    """The keys of a recipe that make this student."""
    path = run.folder / "fitted.yaml"
    precisions = list(dict.fromkeys(["fp32", chosen.timing.precision]))
    keys = {"student": chosen.shape.student, "export": {"precisions": precisions}}
    head = f"# {chosen.timing.ms:.2f} ms in {chosen.timing.precision} on the device asked for\n"
    write_text(path, head + yaml.safe_dump(keys, sort_keys=False))
    return path


def keep(run: Run, fits: Sequence[Fit], device: DeviceTimes, most_ms: float) -> Path:
    path = run.folder / "fit.json"
    trained = [plain(fit) for fit in fits]
    write_json(path, {"most_ms": most_ms, "trained": trained, "device": plain(device)})
    return path


def _fastest(device: DeviceTimes, shape: Shape, precisions: Sequence[str]) -> Fit | None:
    times = [
        one
        for one in device.times
        if one.shape == shape.name and (not precisions or one.precision in precisions)
    ]
    return Fit(shape, min(times, key=lambda one: one.ms)) if times else None


def _shaped(recipe: Recipe, shape: Shape) -> Recipe:
    student = recipe.student.model_dump() | shape.student
    return recipe.model_copy(update={"student": type(recipe.student).model_validate(student)})


def _judged(fit: Fit, runs: Sequence[StudentRun], recipe: Recipe) -> Fit:
    """The mean over seeds; of a student with a space of its own, alone."""
    across = all(one.rates["cross-space"] for one in runs)
    metric: Metric = "cross-space" if across else "student"
    key, rates = f"{recipe.evaluate.gate_fmr:g}", [one.rates[metric] for one in runs]
    errors = [None if one is None else one.eer for one in rates]
    tars = [None if one is None else one.tar.get(key) for one in rates]
    return replace(fit, eer=_mean(errors), tar=_mean(tars))


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if values and len(known) == len(values) else None


def _leads(fit: Fit, others: Sequence[Fit]) -> bool:
    if fit.eer is None:
        return False
    quicker = [one for one in others if one is not fit and one.timing.ms <= fit.timing.ms]
    return all(one.eer is None or one.eer > fit.eer for one in quicker)


def _row(fit: Fit) -> str:
    shape, timing = fit.shape, fit.timing
    rates = ["–" if rate is None else f"{rate:.2%}" for rate in (fit.eer, fit.tar)]
    cells = [
        *(shape.name, timing.precision, f"{timing.ms:.2f}"),
        f"{shape.bytes[timing.precision] / 1000:,.0f}",
        *(f"{shape.parameters:,}", f"{shape.macs / 1e6:.0f} M", *rates, "*" if fit.best else ""),
    ]
    return f"| {' | '.join(cells)} |"


def _too_slow(fits: list[Fit], most_ms: float) -> EmbedgeError:
    fastest = min((fit.timing.ms for fit in fits), default=None)
    told = "nothing was measured" if fastest is None else f"the fastest takes {fastest:.2f} ms"
    return EmbedgeError(
        "E-FIT",
        f"no shape answers within {most_ms:g} ms on that device: {told}",
        remedy="Allow a longer --latency, or measure narrower shapes (--widths)",
    )
