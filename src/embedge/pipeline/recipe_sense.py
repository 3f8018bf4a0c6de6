"""What the keys of a recipe say of one another: what follows, what contradicts, what is dead."""

from collections.abc import Mapping, Sequence
from typing import Any

from embedge.errors import EmbedgeError
from embedge.pipeline.recipe_dead import dead_keys, section

__all__ = ["consistent", "laid_over"]

Values = dict[str, Any]

_SCHEDULES = (("teacher", "train"), ("student", "train"), ("distill", "shaping"))
_INSTEAD = (
    ("epochs", "steps"),
    ("steps", "epochs"),
    ("checkpoint_minutes", "checkpoint_every"),
    ("checkpoint_every", "checkpoint_minutes"),
)
_SWITCHES = (
    "teacher.source",
    "teacher.file",
    "data.source",
    "distill.method",
    "distill.baseline",
    "distill.margin.quality",
    "teacher.margin.quality",
)


def laid_over(
    base: Values, given: Values, methods: Sequence[str] = (), *, shipped: bool = False
) -> Values:
    """The recipe's keys with those of the command line over them.

    Where the command line turns a switch, the keys of the recipe that this kills go silently: they
    belong to what was switched away from. So do those of a recipe that is `shipped` for several
    methods. What the command line says itself must make sense.
    """
    base, given = _followed(base), _followed(given)
    base = _without_others(base, given)
    if shipped or any(_within(given, switch) is not None for switch in _SWITCHES):
        base = _without_dead(base, given, methods)
    return _merged(base, given)


def consistent(values: Values, where: str, defaults: Values, methods: Sequence[str] = ()) -> None:
    """Every contradiction at once, its key named. A key that says what holds anyway says nothing:
    a run's own recipe.json, which has all of them, is a recipe too.

    What one of `methods` reads is alive; unless they are given the recipe's own is asked.
    """
    wrong = [f"{key}: {why}" for key, why in dead_keys(_said(values, defaults), methods)]
    if wrong:
        raise EmbedgeError(
            "E-RECIPE-KEY",
            "keys of the recipe contradict one another:\n  " + "\n  ".join(wrong) + "\n",
            where=where,
            remedy="Leave these keys out, or change the one that makes them meaningless",
        )


def _said(values: Values, defaults: Values) -> Values:
    """Without what the defaults say as well; what decides whether others are read stays."""
    kept = {}
    for key, value in values.items():
        usual = defaults.get(key)
        if isinstance(value, dict) and isinstance(usual, dict):
            if said := _said(value, usual):
                kept[key] = said
        elif value != usual:
            kept[key] = value
    return kept


def _followed(values: Values) -> Values:
    """A teacher's file says that the teacher comes from a file, and a number of steps that they
    are no share of the student's."""
    teacher, distill = values.get("teacher"), values.get("distill")
    if isinstance(teacher, dict) and teacher.get("file") and "source" not in teacher:
        values = {**values, "teacher": {"source": "file", **teacher}}
    shaping = section(section(values, "distill"), "shaping")
    if isinstance(distill, dict) and any(shaping.get(key) for key in ("steps", "epochs")):
        values = {**values, "distill": {"shaping_part": None, **distill}}
    return values


def _without_dead(base: Values, given: Values, methods: Sequence[str]) -> Values:
    """A switch to another source lets go of the file too, and a file of its shards."""
    if _within(given, "teacher.source") not in (None, "file"):
        base = _dropped(base, "teacher.file")
    if _within(given, "teacher.file") and _within(base, "teacher.file"):
        base = _dropped(_dropped(base, "teacher.head_shards"), "teacher.preprocessing")
    for key, _ in list(dead_keys(_merged(base, given), methods)):
        base = _dropped(base, key)
    return base


def _without_others(base: Values, given: Values) -> Values:
    """Of two keys that say one thing in two ways, that of the command line holds."""
    for room, key in _SCHEDULES:
        for mine, other in _INSTEAD:
            path = f"{room}.{key}"
            if _within(given, f"{path}.{mine}") and not _within(given, f"{path}.{other}"):
                base = _dropped(base, f"{path}.{other}")
    return base


def _dropped(values: Values, key: str) -> Values:
    name, _, rest = key.partition(".")
    inside = values.get(name)
    if rest:
        return {**values, name: _dropped(inside, rest)} if isinstance(inside, dict) else values
    return {other: one for other, one in values.items() if other != name}


def _merged(base: Values, given: Values, path: str = "") -> Values:
    out = dict(base)
    for key, value in given.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and key in base and base[key] is not None:
            if not isinstance(base[key], dict):
                raise _no_section(name)
            out[key] = _merged(base[key], value, f"{name}.")
        else:
            out[key] = value
    return out


def _no_section(name: str) -> EmbedgeError:
    return EmbedgeError(
        "E-RECIPE-KEY",
        f"'{name}' is a value, not a section",
        remedy=f"Write --{name} VALUE",
    )


def _within(values: Mapping[str, Any], key: str) -> Any:
    inside: Any = values
    for part in key.split("."):
        inside = inside.get(part) if isinstance(inside, dict) else None
    return inside
