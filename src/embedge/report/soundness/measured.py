"""What gates say that they measure: what their names say, of things that the report holds."""

import math
from collections.abc import Iterator
from dataclasses import fields, replace

from embedge.calibration.evaluation.figures import Key, promises_of
from embedge.report.gate.measurand import NETWORK, Figure, Measurand
from embedge.report.model import Gate, Report
from embedge.report.soundness.asked import devices_merged, merged
from embedge.report.soundness.expected import NEARNESS, expected_of
from embedge.report.soundness.former import WORST, keys_of, read_measurand

__all__ = ["mismeasured"]

_UNSAID = ("", None, ())
_WORDED = 1e-5  # words round a rate to six digits
# what each has to say, and what it may: certificates have the others
_SAYS: dict[Figure, tuple[set[str], set[str]]] = {
    "cosine-p1": ({"of", "against"}, set()),
    "cosine-min": ({"of"}, {"against"}),
    "tar-lost": ({"of", "against", "fmr"}, set()),
    "tar": ({"key", "fmr"}, set()),
    "eer": ({"key"}, set()),
    "threshold-fmr": (set(), {"fmr"}),
    "fmr-over-promise": (set(), set()),
    "faults": (set(), {"key", "checked"}),
    "held-out-faults": (set(), {"checked"}),
}
# whose value always stands elsewhere in the report, too
_HELD: tuple[Figure, ...] = ("eer", "tar", "threshold-fmr", "fmr-over-promise")


def mismeasured(report: Report) -> Iterator[str]:
    """Every gate that measures another thing than it says, or one that is not there."""
    keys = keys_of(report)
    for gate in report.verdict.gates:
        if gate.measures.figure == "other":
            yield f"gate '{gate.name}' measures nothing that reports hold"
        elif not _whole(gate.measures):
            yield f"gate '{gate.name}' does not say what its kind measures"
        if not all(_agree(gate, read) for read in _readings(gate, keys)):
            yield f"gate '{gate.name}' measures another thing than its name says"
        yield from _elsewhere(gate, report)
        yield from _not_the_worst(gate, report)
        yield from _nowhere(gate, report)


def _whole(measures: Measurand) -> bool:
    said = {one.name for one in fields(Measurand) if getattr(measures, one.name) not in _UNSAID}
    needed, allowed = _SAYS.get(measures.figure, ({""}, set[str]()))
    return needed <= said - {"figure", "on"} <= needed | allowed


def _readings(gate: Gate, keys: dict[str, Key]) -> Iterator[Measurand]:
    """What its name means, where anybody knows it; a merge adds the device to it."""
    on = gate.measures.on
    for name in _without_device(gate.name, on) if on else (gate.name,):
        if (read := read_measurand(name, gate.what, keys)) is not None:
            yield read


def _agree(gate: Gate, read: Measurand) -> bool:
    """Words that tell no rate and no faults may be other ones."""
    said, what = gate.measures, gate.what
    if read.figure in NEARNESS and "cosine " not in what:
        return said.figure in NEARNESS and said.of == read.of
    if (said.figure, said.of, said.key) != (read.figure, read.of, read.key):
        return False
    if read.checked != said.checked and ("looked for" in what or "not checked" in what):
        return False
    return said.against == read.against and (
        read.fmr is None or math.isclose(said.fmr or 0.0, read.fmr, rel_tol=_WORDED)
    )


def _without_device(name: str, on: str) -> Iterator[str]:
    at = name.find(" (")
    while at >= 0:
        if name[at:].removeprefix(" (").removesuffix(")").replace(") (", ", ") == on:
            yield name[:at]
        at = name.find(" (", at + 1)


def _elsewhere(gate: Gate, report: Report) -> Iterator[str]:
    """A device's gates stand beside those of the report itself."""
    if not gate.measures.on:
        return
    if not _merged_from(gate.measures.on, devices_merged(report)):
        yield f"gate '{gate.name}' is of a device whose report was not merged"
    own = {one.measures.identity for one in report.verdict.gates if not one.measures.on}
    if replace(gate.measures.identity, on="") not in own:
        yield f"gate '{gate.name}' is of a device, and the report's own is missing"


def _merged_from(on: str, devices: list[str]) -> bool:
    """The last device of several is that of the last merge; measured again there, it is counted."""
    last = on.rpartition(", ")
    named = (on, last[0]) if last[2].isdecimal() else (on,)  # or the number is of its name
    return any(at == one or at.endswith(f", {one}") for one in devices for at in named)


def _not_the_worst(gate: Gate, report: Report) -> Iterator[str]:
    """The comparison that it names, where it is of several."""
    told = WORST.search(gate.what)
    wrong = gate.worst is not None and told is not None and told[1] != str(gate.worst)
    if gate.measures.figure != "fmr-over-promise":
        wrong = gate.worst is not None
    elif not gate.measures.on and (kept := promises_of(report.comparisons)):
        wrong |= gate.worst is None or kept.get(gate.worst) != max(kept.values())
    if wrong:
        yield f"gate '{gate.name}' is not of the worst comparison, as it says"


def _nowhere(gate: Gate, report: Report) -> Iterator[str]:
    measures = gate.measures
    artifacts = {one.name for one in report.artifacts} | {""}
    if measures.figure != "other" and measures.of not in artifacts:
        yield f"gate '{gate.name}' is of {measures.of}, which the report does not have"
    own = measures.against == NETWORK or not merged(report)  # or a bench was merged first
    held = (*_HELD, *NEARNESS) if own else _HELD
    if gate.value is None or measures.on or measures.figure not in held:
        return
    if expected_of(gate, report) is None:
        yield f"gate '{gate.name}' is of a figure that the report does not hold"
