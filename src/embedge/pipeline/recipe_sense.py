"""What the keys of a recipe say of one another: what follows, what contradicts, what is dead."""

from collections.abc import Iterator, Mapping
from typing import Any

from embedge.errors import EmbedgeError

__all__ = ["consistent", "laid_over"]

Values = dict[str, Any]

_TRAINED = ("depth", "channels", "dim", "margin", "train")
_BROUGHT = ("file", "head_shards", "preprocessing", "probe_steps")
_SCHEDULES = (("teacher", "train"), ("student", "train"), ("distill", "shaping"))
_SWITCHES = (("teacher", "source"), ("teacher", "file"), ("data", "source"))


def laid_over(base: Values, given: Values) -> Values:
    """The recipe's keys with those of the command line over them.

    Where the command line turns a switch, the keys of the recipe that this kills go silently: they
    belong to what was switched away from. What it says itself must make sense.
    """
    base, given = _followed(base), _followed(given)
    base = _of_the_given_length(base, given)
    if any(_within(given, *switch) is not None for switch in _SWITCHES):
        base = _without_dead(base, given)
    return _merged(base, given)


def consistent(values: Values, where: str, defaults: Values) -> None:
    """Every contradiction at once, its key named. A key that says what holds anyway says nothing:
    a run's own recipe.json, which has all of them, is a recipe too."""
    wrong = [f"{section}.{key}: {why}" for section, key, why in _dead(_said(values, defaults))]
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
            kept[key] = _said(value, usual)
        elif value != usual:
            kept[key] = value
    return kept


def _followed(values: Values) -> Values:
    """A teacher's file says that the teacher comes from a file, and a number of steps that they
    are no share of the student's."""
    teacher, distill = values.get("teacher"), values.get("distill")
    if isinstance(teacher, dict) and teacher.get("file") and "source" not in teacher:
        values = {**values, "teacher": {"source": "file", **teacher}}
    shaping = _section(_section(values, "distill"), "shaping")
    if isinstance(distill, dict) and any(shaping.get(key) for key in ("steps", "epochs")):
        values = {**values, "distill": {"shaping_part": None, **distill}}
    return values


def _without_dead(base: Values, given: Values) -> Values:
    """A switch to another source lets go of the file too, and a file of its shards."""
    if _within(given, "teacher", "source") not in (None, "file"):
        base = _dropped(base, "teacher", "file")
    if _within(given, "teacher", "file") and _within(base, "teacher", "file"):
        base = _dropped(_dropped(base, "teacher", "head_shards"), "teacher", "preprocessing")
    dead = [(section, key) for section, key, _ in _dead(_merged(base, given))]
    for section, key in dead:
        base = _dropped(base, section, key)
    return base


def _of_the_given_length(base: Values, given: Values) -> Values:
    """Epochs let go of the steps that a recipe states, and steps of the epochs."""
    for section, key in _SCHEDULES:
        said = _section(_section(given, section), key)
        for mine, other in (("epochs", "steps"), ("steps", "epochs")):
            if said.get(mine) is not None and other not in said:
                inside = _dropped(_section(base, section), key, other)
                base = {**base, section: inside} if section in base else base
    return base


def _dropped(values: Values, section: str, key: str) -> Values:
    inside = values.get(section)
    if not isinstance(inside, dict):
        return values
    return {**values, section: {name: one for name, one in inside.items() if name != key}}


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


def _within(values: Mapping[str, Any], section: str, key: str) -> Any:
    inside = values.get(section)
    return inside.get(key) if isinstance(inside, dict) else None


def _dead(values: Values) -> Iterator[tuple[str, str, str]]:
    """(section, key, why) of every key that is given and that nothing would read."""
    yield from _dead_of_teacher(_section(values, "teacher"))
    data = _section(values, "data")
    source = data.get("source", "rendered")
    if source == "rendered":
        if data.get("extra"):
            yield "data", "extra", "it stands beside a data set, and data.source is rendered"
    else:
        for key in ("identities", "per_identity"):
            if key in data:
                why = f"it says how many people are rendered, and data.source is {source}"
                yield "data", key, why
    student = _section(values, "student")
    if student.get("dims", "same") != "same" and student.get("dim") is None:
        yield "student", "dims", "it says how student.dim is reached, and that is not given"
    if "scale" in student and student.get("architecture", "mobilefacenet") != "mobilefacenet":
        yield "student", "scale", f"it is MobileFaceNet's, not of {student['architecture']}"
    yield from _dead_of_schedules(values)
    qat = _section(_section(values, "int8"), "qat")
    if not qat.get("steps"):
        for key in ("batch", "lr"):
            if key in qat:
                yield "int8", f"qat.{key}", "int8.qat.steps is 0: nothing is trained in INT8"


def _dead_of_schedules(values: Values) -> Iterator[tuple[str, str, str]]:
    for section, key in _SCHEDULES:
        said = _section(_section(values, section), key)
        if said.get("epochs") is not None and said.get("steps") is not None:
            yield section, f"{key}.steps", f"{section}.{key}.epochs says how long is trained"
        if said.get("optimizer", "adamw") != "sgd":
            for name in ("momentum", "nesterov"):
                if name in said:
                    yield section, f"{key}.{name}", "it is of SGD, and the optimizer is adamw"
        if said.get("schedule", "cosine") != "stairs" and "stairs" in said:
            yield section, f"{key}.stairs", "the rate does not fall by stairs"


def _dead_of_teacher(teacher: Values) -> Iterator[tuple[str, str, str]]:
    source, file = teacher.get("source", "train"), str(teacher.get("file") or "")
    if source in ("shipped", "file"):
        for key in _TRAINED:
            if key in teacher:
                why = f"it shapes a teacher that is trained, and teacher.source is {source}"
                yield "teacher", key, why
    if source in ("shipped", "train"):
        kept = ("probe_steps",) if source == "shipped" else ()
        for key in _BROUGHT:
            if teacher.get(key) and key not in kept:
                why = f"it is for a teacher from a file, and teacher.source is {source}"
                yield "teacher", key, why
        return
    if teacher.get("preprocessing") and file.endswith((".safetensors", ".pt", ".pth")):
        yield "teacher", "preprocessing", f"it is for an .onnx, and teacher.file is {file}"
    if teacher.get("head_shards") and file.endswith((".safetensors", ".onnx")):
        yield "teacher", "head_shards", f"they lie beside a .pt, and teacher.file is {file}"


def _section(values: Values, name: str) -> Values:
    inside = values.get(name)
    return inside if isinstance(inside, dict) else {}
