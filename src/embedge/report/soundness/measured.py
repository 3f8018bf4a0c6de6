"""What gates say that they measure: what their names say, of things that the report holds."""

import math
from collections.abc import Iterator
from dataclasses import replace

from embedge.calibration.evaluation.figures import Key
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Gate, Report
from embedge.report.soundness.expected import expected_of
from embedge.report.soundness.former import keys_of, read_measurand

__all__ = ["mismeasured"]

_WORDED = 1e-5  # words round a rate to six digits
# whose value always stands elsewhere in the report, too
_HELD = ("cosine-p1", "eer", "tar", "threshold-fmr", "fmr-over-promise")


def mismeasured(report: Report) -> Iterator[str]:
    """Every gate that measures another thing than it says, or one that is not there."""
    keys, devices = keys_of(report), _devices(report)
    own = {gate.measures.identity for gate in report.verdict.gates if not gate.measures.on}
    for gate in report.verdict.gates:
        if not any(_same(gate.measures, read) for read in _readings(gate, keys)):
            yield f"gate '{gate.name}' measures another thing than its name says"
        if gate.measures.on:
            if not _merged_from(gate.measures.on, devices):
                yield f"gate '{gate.name}' is of a device whose report was not merged"
            if replace(gate.measures.identity, on="") not in own:
                yield f"gate '{gate.name}' is of a device, and the report's own is missing"
        yield from _nowhere(gate, report)


def _readings(gate: Gate, keys: dict[str, Key]) -> Iterator[Measurand]:
    """What its name can mean; a merge adds the device to it."""
    on = gate.measures.on
    for name in _without_device(gate.name, on) if on else (gate.name,):
        read = read_measurand(name, gate.what, keys)
        yield replace(read or Measurand("other", name), on=on)


def _without_device(name: str, on: str) -> Iterator[str]:
    at = name.find(" (")
    while at >= 0:
        if name[at:].removeprefix(" (").removesuffix(")").replace(") (", ", ") == on:
            yield name[:at]
        at = name.find(" (", at + 1)


def _same(said: Measurand, read: Measurand) -> bool:
    if (said.fmr is None) is not (read.fmr is None):
        return False
    near = math.isclose(said.fmr or 0.0, read.fmr or 0.0, rel_tol=_WORDED)
    return near and replace(said, fmr=None) == replace(read, fmr=None)


def _devices(report: Report) -> list[str]:
    merged = report.provenance.more.get("merged")
    entries = merged if isinstance(merged, list) else [merged]
    return [str(one["device"]) for one in entries if isinstance(one, dict) and one.get("device")]


def _merged_from(on: str, devices: list[str]) -> bool:
    """The last device of several is that of the last merge; measured again there, it is counted."""
    last = on.rpartition(", ")
    last_name = last[0] if last[2].isdecimal() else on
    return any(last_name == one or last_name.endswith(f", {one}") for one in devices)


def _nowhere(gate: Gate, report: Report) -> Iterator[str]:
    measures = gate.measures
    artifacts = {one.name for one in report.artifacts} | {""}
    if measures.figure != "other" and measures.of not in artifacts:
        yield f"gate '{gate.name}' is of {measures.of}, which the report does not have"
    if gate.value is None or measures.on or measures.figure not in _HELD:
        return
    if measures.figure == "cosine-p1" and measures.against != "network":
        return
    if expected_of(gate, report) is None:
        yield f"gate '{gate.name}' is of a figure that the report does not hold"
