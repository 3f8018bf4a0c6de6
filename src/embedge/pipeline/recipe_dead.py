"""Keys of a recipe that are given and that nothing would read, each with the reason."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from embedge.pipeline.recipe import Student, Teacher
from embedge.train.methods import METHODS

__all__ = ["dead_keys", "section"]

Values = dict[str, Any]
Dead = Iterator[tuple[str, str]]

_TRAINED = ("depth", "channels", "dim", "margin", "train")
_BROUGHT = ("file", "head_shards", "preprocessing", "probe_steps")
_SHAPING = ("first", "first_part", "shape", "shaping", "shaping_part")
_CHECKED = ("evaluate_every", "patience")


def dead_keys(values: Values, methods: Sequence[str] = ()) -> Dead:
    """Dotted keys; `methods` are those that the recipe is for, its own unless given."""
    distill, student = section(values, "distill"), section(values, "student")
    yield from _of_teacher(section(values, "teacher"))
    yield from _of_data(section(values, "data"))
    if student.get("dims", "same") != "same" and student.get("dim") is None:
        yield "student.dims", "it says how student.dim is reached, and that is not given"
    if "scale" in student and student.get("architecture", "mobilefacenet") != "mobilefacenet":
        yield "student.scale", f"it is MobileFaceNet's, not of {student['architecture']}"
    yield from _of_distill(distill, methods or (str(distill.get("method", "th-kd")),))
    taught, learnt = section(section(values, "teacher"), "train"), section(student, "train")
    yield from _of_schedule("teacher.train", taught, Teacher().train.steps)
    yield from _of_schedule("student.train", learnt, Student().train.steps, checked=True)
    # the last usually goes by the student's length
    yield from _of_schedule("distill.shaping", section(distill, "shaping"), None)
    yield from _of_int8(section(values, "int8"), section(values, "export"))


def _of_data(data: Values) -> Dead:
    source = data.get("source", "rendered")
    if source == "rendered":
        if data.get("extra"):
            yield "data.extra", "it stands beside a data set, and data.source is rendered"
    else:
        for key in ("identities", "per_identity"):
            if key in data:
                why = f"it says how many people are rendered, and data.source is {source}"
                yield f"data.{key}", why
    if "alike" in data and data.get("labels", "people") != "none":
        yield "data.alike", "it makes classes of pictures without names, and data.labels is people"


def _of_distill(distill: Values, methods: Sequence[str]) -> Dead:
    """What a method's loss does not depend on; `sh-kd` ends in that of `th-kd`."""
    if not {*methods} <= {*METHODS, "sh-kd"}:
        return  # refused elsewhere
    losses = [METHODS["th-kd" if method == "sh-kd" else method] for method in methods]
    read = {name for loss in losses for name in loss.settings}
    known = {name for loss in METHODS.values() for name in loss.settings}
    named = " and ".join(methods)
    for key in distill:
        if key in known - read:
            of = ", ".join(name for name, loss in METHODS.items() if key in loss.settings)
            yield f"distill.{key}", f"it is of {of}, and distill.method is {named}"
        if key in _SHAPING and "sh-kd" not in methods:
            yield f"distill.{key}", f"it is of sh-kd, and distill.method is {named}"
    if distill.get("baseline") is False and "baseline_part" in distill:
        yield "distill.baseline_part", "distill.baseline is false: no other student is trained"
    yield from _of_margin("distill.margin", section(distill, "margin"))


def _of_margin(path: str, margin: Values) -> Dead:
    if margin.get("quality"):
        for key in ("m1", "m2", "m3"):
            if key in margin:
                yield f"{path}.{key}", f"{path}.quality takes its place"


def _of_schedule(path: str, said: Values, usual: int | None, *, checked: bool = False) -> Dead:
    if said.get("epochs") is not None and said.get("steps") is not None:
        yield f"{path}.steps", f"{path}.epochs says how long is trained"
    if said.get("optimizer", "adamw") != "sgd":
        for name in ("momentum", "nesterov"):
            if name in said:
                yield f"{path}.{name}", "it is of SGD, and the optimizer is adamw"
    if said.get("nesterov") and said.get("momentum") == 0:
        yield f"{path}.nesterov", "momentum is 0: there is nothing to look ahead along"
    if said.get("schedule", "cosine") != "stairs" and "stairs" in said:
        yield f"{path}.stairs", "the rate does not fall by stairs"
    elif not _rises(said.get("stairs", (0,))):
        yield f"{path}.stairs", "they are shares of the training, each later than the one before"
    if said.get("fp32_tail") and said.get("amp") == "fp32":
        yield f"{path}.fp32_tail", "amp is fp32: every layer is computed so"
    if said.get("checkpoint_every") and "checkpoint_minutes" in said:
        yield f"{path}.checkpoint_minutes", "checkpoint_every says when"
    if not checked:
        for name in _CHECKED:
            if name in said:
                yield f"{path}.{name}", "only students are looked at while they learn"
    elif "patience" in said and not said.get("evaluate_every"):
        yield f"{path}.patience", "evaluate_every is 0: nobody looks whether anything improves"
    yield from _too_late(path, said, usual)


def _rises(stairs: Any) -> bool:
    known = isinstance(stairs, list | tuple) and all(isinstance(one, int | float) for one in stairs)
    if not known:
        return True  # refused elsewhere
    return bool(stairs) and all(before < one for before, one in pairwise(stairs))


def _too_late(path: str, said: Values, usual: int | None) -> Dead:
    """What would begin once the training is over; how long epochs are only the data set says."""
    steps = said.get("steps", usual)
    if said.get("epochs") is not None or not isinstance(steps, int):
        return
    warmup, every = said.get("warmup"), said.get("evaluate_every")
    if isinstance(warmup, int) and warmup >= steps:
        yield f"{path}.warmup", f"it takes {warmup} of {steps} steps: the rate never falls"
    if isinstance(every, int) and every > steps:
        yield f"{path}.evaluate_every", f"the training has {steps} steps"


def _of_teacher(teacher: Values) -> Dead:
    source, file = teacher.get("source", "train"), str(teacher.get("file") or "")
    if source in ("shipped", "file"):
        for key in _TRAINED:
            if key in teacher:
                why = f"it shapes a teacher that is trained, and teacher.source is {source}"
                yield f"teacher.{key}", why
    else:
        yield from _of_margin("teacher.margin", section(teacher, "margin"))
    if source in ("shipped", "train"):
        kept = ("probe_steps",) if source == "shipped" else ()
        for key in _BROUGHT:
            if teacher.get(key) and key not in kept:
                why = f"it is for a teacher from a file, and teacher.source is {source}"
                yield f"teacher.{key}", why
        return
    if teacher.get("preprocessing") and file.endswith((".safetensors", ".pt", ".pth")):
        yield "teacher.preprocessing", f"it is for an .onnx, and teacher.file is {file}"
    if teacher.get("head_shards") and file.endswith((".safetensors", ".onnx")):
        yield "teacher.head_shards", f"they lie beside a .pt, and teacher.file is {file}"


def _of_int8(int8: Values, export: Values) -> Dead:
    qat = section(int8, "qat")
    if not qat.get("steps"):
        for key in ("batch", "lr"):
            if key in qat:
                yield f"int8.qat.{key}", "int8.qat.steps is 0: nothing is trained in INT8"
    wanted = export.get("precisions")
    if isinstance(wanted, list | tuple) and not any("int8" in str(one) for one in wanted):
        for key in ("budget", "qat"):
            if int8.get(key) is not None:
                yield f"int8.{key}", "export.precisions names no graph in INT8"


def section(values: Values, name: str) -> Values:
    inside = values.get(name)
    return inside if isinstance(inside, dict) else {}
