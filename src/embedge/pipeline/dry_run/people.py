"""Which false match rates the held-out people will carry, told before anybody is rendered."""

from collections.abc import Iterator

import numpy as np

from embedge.calibration.people.carrying import carries, strictest_carried
from embedge.calibration.people.splits import Roles, roles_of
from embedge.calibration.rates import people_for
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.learn.checks import require_people, somebody_chooses

__all__ = ["people_lines"]


def people_lines(recipe: Recipe) -> list[str]:
    """Refuses, as the run would, what cannot be split at all."""
    return [f"people    {_divided(require_people(recipe))}", *_shortages(recipe)]


def _divided(roles: Roles) -> str:
    told = [f"{roles.judge.sum()} are judged", f"{roles.threshold.sum()} set thresholds"]
    if roles.choose.any():
        told.append(f"{roles.choose.sum()} choose")
    return f"of {len(roles.judge)} held out " + ", ".join(told)


def _shortages(recipe: Recipe) -> Iterator[str]:
    wanted, roles = recipe.evaluate, require_people(recipe)
    asked = [("threshold", wanted.threshold_fmr), ("judge", wanted.gate_fmr)]
    asked += [("judge", fmr) for fmr in wanted.fmrs]
    if recipe.int8.budget is not None:
        asked.append(("choose", wanted.gate_fmr))
    for role, fmr in dict.fromkeys(asked):
        people = int(getattr(roles, role).sum())
        if not carries(people, fmr):
            looser = strictest_carried(people, (1e-1, 1e-2, 1e-3, 1e-4, 1e-5))
            less = "no FMR" if looser is None else f"FMR {looser:g}"
            yield (
                f"          the {people} who {_WORK[role]} carry {less}, not {fmr:g}:"
                f" hold out {_held_out(recipe, role, fmr):,}"
            )


_WORK = {"threshold": "set thresholds", "judge": "are judged", "choose": "choose"}


def _held_out(recipe: Recipe, role: str, fmr: float) -> int:
    """The fewest people of whom enough get this role."""
    needed, count = people_for(fmr), max(recipe.data.held_out, 3)
    while True:
        roles = roles_of(np.arange(count), 0, choosing=somebody_chooses(recipe))
        short = needed - int(getattr(roles, role).sum())
        if short <= 0:
            return count
        count += short
