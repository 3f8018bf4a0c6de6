"""No field of what a gate measures can be edited, and neither its name nor its value."""

from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.report.merge import merged_report
from embedge.report.model import Report
from embedge.report.read import report_from_json
from embedge.typed import plain

_ALONE = {"model": "student", "artifact": "fp32"}
_NOBODY = {"model": "x", "artifact": None}
_TEACHER = {"model": "teacher", "artifact": None}
_KEYS: list[Any] = [
    None,
    {"gallery": _NOBODY, "probe": _NOBODY},
    {"gallery": _TEACHER, "probe": _TEACHER},
    {"gallery": _TEACHER, "probe": _ALONE},
    {"gallery": _ALONE, "probe": _ALONE},
]
_EDITS: dict[str, list[Any]] = {
    "figure": ["cosine-p1", "cosine-min", "tar-lost", "tar", "eer", "faults", "compatibility"],
    "of": ["", "fp32", "fp16", "int8-cpu", "int8-none"],
    "key": _KEYS,
    "against": ["", "fp32", "network"],
    "fmr": [None, 0.0123, 1e-3, 0.1],
    "checked": [[], ["copies"], ["copies", "labels", "leaks"]],
    "on": ["a phone"],
}
_NAMES = ["fp32 parity", "fp16 parity", "int8-cpu parity", "fp16 accuracy", "int8-cpu accuracy"]
_NAMES += ["thresholds", "thresholds hold", "held-out people", "equal error rate"]
_NAMES += ["no re-enrolment"]


def _read(value: Any) -> Report:
    verdict = value["verdict"]
    for gate in verdict["gates"]:
        sign = 1 if gate["direction"] == "max" else -1
        gate["passed"] = sign * gate["value"] <= sign * gate["bound"]
    verdict["passed"] = all(gate["passed"] for gate in verdict["gates"])
    return report_from_json(value)


def _gate(value: Any, name: str) -> Any:
    return next(one for one in value["verdict"]["gates"] if one["name"] == name)


def test_every_gate_is_edited_here(sample: Report) -> None:
    assert [gate.name for gate in sample.verdict.gates] == _NAMES


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("field", _EDITS)
def test_what_a_gate_measures_cannot_be_edited(sample: Report, name: str, field: str) -> None:
    for to in _EDITS[field]:
        value = plain(sample)
        measures = _gate(value, name)["measures"]
        if measures[field] == to:
            continue
        measures[field] = to
        with pytest.raises(EmbedgeError, match="the report contradicts itself"):
            _read(value)


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("other", _NAMES)
def test_a_gate_bears_the_name_of_what_it_measures(sample: Report, name: str, other: str) -> None:
    value = plain(sample)
    if other == name:
        assert _read(value) == sample
        return
    first, second = _gate(value, name), _gate(value, other)
    first["name"], second["name"] = other, name
    with pytest.raises(EmbedgeError, match="the report contradicts itself"):
        _read(value)


@pytest.mark.parametrize("merged", [False, True])
def test_a_device_stands_in_for_no_gate_of_the_report_itself(sample: Report, merged: bool) -> None:
    """Whether or not its report was merged: a device's own gates come beside those of the run."""
    value = plain(sample)
    if merged:
        value["provenance"]["more"]["merged"] = [{"title": "x", "device": "a phone"}]
    gate = _gate(value, "no re-enrolment")
    gate["measures"]["on"] = "a phone"
    gate |= {"name": "no re-enrolment (a phone)", "value": 99.0, "at_best": 99.5, "needs": None}
    with pytest.raises(EmbedgeError, match="the report's own is missing"):
        _read(value)


def test_gates_of_a_device_that_was_merged_are_read(sample: Report) -> None:
    value = plain(sample)
    value["title"] = "on (a) phone"
    value["latency"] = None
    gate = _gate(value, "fp16 parity")
    gate["value"] = value["artifacts"][1]["cosine_to_torch"]["p1"] = 0.9995
    merged = merged_report(sample, [_read(value)])
    assert [one.name for one in merged.verdict.gates if one.measures.on] == [
        "fp16 parity (on (a) phone)"
    ]
    assert report_from_json(plain(merged)) == merged
    again = _read(value)
    twice = merged_report(sample, [again, _other(value)])
    assert report_from_json(plain(twice)) == twice


def _other(value: Any) -> Report:
    _gate(value, "fp16 parity")["value"] = value["artifacts"][1]["cosine_to_torch"]["p1"] = 0.9994
    return _read(value)


def test_a_gate_of_a_figure_that_is_not_there_is_refused(sample: Report) -> None:
    value = plain(sample)
    value["evaluation"]["comparisons"] = [
        one for one in value["evaluation"]["comparisons"] if one["gallery"] != _TEACHER
    ]
    with pytest.raises(EmbedgeError, match="of a figure that the report does not hold"):
        _read(value)


@pytest.mark.parametrize("name", _NAMES)
def test_a_run_has_every_gate_that_it_is_asked(sample: Report, name: str) -> None:
    value = plain(sample)
    value["verdict"]["gates"].remove(_gate(value, name))
    with pytest.raises(EmbedgeError, match=f"the gate '{name}' is not among the others"):
        _read(value)


def _strange(value: Any) -> None:
    for number, gate in enumerate(value["verdict"]["gates"]):
        gate |= {"name": f"gate {number}", "value": gate["bound"], "at_best": None, "needs": None}
        del gate["measures"]


def _only_parity(value: Any) -> None:
    gates = value["verdict"]["gates"]
    value["verdict"]["gates"] = [one for one in gates if "parity" in one["name"]]


@pytest.mark.parametrize("forge", [_strange, _only_parity, lambda v: v["verdict"].update(gates=[])])
def test_a_run_without_its_gates_proves_nothing(sample: Report, forge: Any) -> None:
    value = plain(sample)
    forge(value)
    with pytest.raises(EmbedgeError, match="'no re-enrolment' is not among the others"):
        _read(value)


@pytest.mark.parametrize("name", ["fp16 accuracy", "int8-cpu accuracy"])
@pytest.mark.parametrize("told", [True, False])
def test_the_end_of_a_loss_is_never_nearer_than_its_people_tell(
    sample: Report, name: str, told: bool
) -> None:
    """In reports that do not tell its interval."""
    value = plain(sample)
    assert sample.evaluation is not None
    gate = _gate(value, name)
    for one in value["evaluation"]["comparisons"]:
        one["loss"] = None
        if one["at_threshold"]:
            one["at_threshold"]["promised"] = None
    if not told:
        for one in value["evaluation"]["comparisons"]:
            one["tar"] = [point for point in one["tar"] if point["fmr"] != 0.01]
        value["verdict"]["gates"].remove(_gate(value, "no re-enrolment"))
    gate |= {"value": gate["at_best"] + 100 / sample.evaluation.dataset.identities, "needs": None}
    with pytest.raises(EmbedgeError, match=f"gate '{name}' says .*, better than its comparison"):
        _read(value)
