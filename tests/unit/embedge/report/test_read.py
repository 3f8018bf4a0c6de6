"""Reading refuses what contradicts itself, and the published JSON Schema is the code's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.report.gate.measurand import OTHER, Measurand
from embedge.report.model import Provenance, Report
from embedge.report.read import json_schema, read_report, report_from_bytes, report_from_json
from embedge.typed import plain

PROVENANCE = plain(Provenance())


def gate(**change: Any) -> dict[str, Any]:
    return {
        "name": "int8-loss",
        "what": "TAR lost by INT8",
        "value": 0.4,
        "bound": 1.0,
        "direction": "max",
        "unit": "points",
        "passed": True,
        "at_best": None,
        "needs": None,
    } | change


def smallest(**change: Any) -> dict[str, Any]:
    return {
        "schema": "embedge.report/2",
        "created": "2026-01-01T00:00:00+00:00",
        "title": "A report",
        "verdict": {"passed": True, "gates": []},
        "provenance": {},
    } | change


def test_the_smallest_report_is_a_report() -> None:
    found = plain(report_from_json(smallest()))
    assert found.items() >= smallest(provenance=PROVENANCE).items()


@pytest.mark.parametrize("measures", [OTHER, Measurand("other", "int8-loss")])
def test_a_gate_that_measures_nothing_proves_nothing(measures: Measurand) -> None:
    verdict = {"passed": True, "gates": [gate(measures=plain(measures))]}
    with pytest.raises(EmbedgeError, match="gate 'int8-loss' measures nothing that reports hold"):
        report_from_json(smallest(verdict=verdict))


def test_gates_written_before_they_had_a_measurand_are_read_as_if_they_had(sample: Report) -> None:
    value = plain(sample)
    for one in value["verdict"]["gates"]:
        del one["measures"], one["worst"]
    assert report_from_json(value) == sample


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"value": 1.2}, "says passed=True"),
        ({"value": None}, "says passed=True"),
        ({"direction": "min"}, "says passed=True"),
        ({"passed": False}, "says passed=False"),
        ({"at_best": 0.6}, "is worse at best than at worst"),
        ({"value": float("nan")}, "finite"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_gate_that_contradicts_its_numbers_is_refused(
    change: dict[str, Any], complaint: str
) -> None:
    report = smallest(verdict={"passed": True, "gates": [gate(**change)]})
    with pytest.raises(EmbedgeError, match=complaint):
        report_from_json(report)


def test_a_verdict_cannot_pass_over_a_failed_gate() -> None:
    failed = gate(value=2.0, passed=False)
    with pytest.raises(EmbedgeError, match="contradict"):
        report_from_json(smallest(verdict={"passed": True, "gates": [failed]}))


def test_every_mistake_is_told_at_once() -> None:
    report = smallest(title=3, space={"id": "x"})
    with pytest.raises(EmbedgeError) as caught:
        report_from_json(report)
    assert all(name in str(caught.value) for name in ("title", "space.teacher"))


@pytest.mark.parametrize("version", ["embedge.report/1", "embedge.report/9"])
def test_another_version_is_refused_with_what_to_do(version: str) -> None:
    report = smallest(schema=version, command="distill-and-export --demo")
    with pytest.raises(EmbedgeError, match=f"E-REPORT-VERSION.*'{version}'") as caught:
        report_from_json(report)
    assert "by the command that wrote it: distill-and-export --demo" in str(caught.value)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"schema": null}'])
def test_an_unreadable_file_is_an_error_with_its_place(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(broken)
    with pytest.raises(EmbedgeError) as caught:
        read_report(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [{"needs": 3000}, {"tar": None}])
def test_a_tar_point_has_a_rate_or_a_reason(sample: Report, change: dict[str, Any]) -> None:
    report = plain(sample)
    report["evaluation"]["comparisons"][0]["tar"][0].update(change)
    with pytest.raises(EmbedgeError, match="either"):
        report_from_json(report)


def test_the_published_json_schema_is_the_one_in_the_code() -> None:
    page = Path(__file__).parents[4] / "docs" / "reference" / "report.schema.json"
    assert json.loads(page.read_text()) == json_schema()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"schema": 1, "schema": 2}', "a key occurs twice"),
        (json.dumps(smallest(provenance={"recipe": {"lr": float("nan")}})), "NaN is no number"),
        (json.dumps(smallest(provenance={"more": {"a": 10**400}})), "no number that can be kept"),
        (json.dumps(smallest(title="\ud800")), "surrogates not allowed"),
        (json.dumps(smallest(provenance={"more": {"\ud800": 1}})), "surrogates not allowed"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_could_not_be_written_again_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(EmbedgeError, match=f"E-REPORT: .*{complaint}"):
        report_from_bytes(text.encode())


def test_a_folder_stands_for_the_report_in_it(tmp_path: Path) -> None:
    bundle = tmp_path / "run" / "lock.embedge"
    bundle.mkdir(parents=True)
    with pytest.raises(EmbedgeError, match=r"E-REPORT: there is no report\.json in this folder"):
        read_report(tmp_path / "run")
    (bundle / "report.json").write_text(json.dumps(smallest()))
    assert read_report(bundle) == read_report(tmp_path / "run") == report_from_json(smallest())


def _first(value: Any) -> Any:
    return value["evaluation"]["comparisons"][0]


def _carried(value: Any) -> Any:
    return next(one for one in _first(value)["tar"] if one["tar"] is not None)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda v: _carried(v).update(low=1.0, tar=0.5), "narrower than its people"),
        (lambda v: _carried(v).update(high=0.01, low=0), "narrower than its people"),
        (lambda v: _first(v)["eer"].update(high=0.0, rate=0.4), "outside its interval"),
        (lambda v: _first(v)["tar"].append(_carried(v)), "2 TAR entries of .* 'FMR 0.01'"),
        (lambda v: v["verdict"]["gates"].append(v["verdict"]["gates"][0]), "2 gates are called"),
        (lambda v: v["evaluation"]["comparisons"].append(_first(v)), "2 comparisons are called"),
        (lambda v: _first(v).update(genuine=1, impostor=1), "of 1 are not the rate"),
        (lambda v: _carried(v).update(false_non_matches=999), "999 rejections of"),
        (lambda v: v["verdict"]["gates"][0].update(bound=-1e9), "bound -1e\\+09 cannot be"),
    ],
)
def test_what_nobody_can_have_measured_is_refused(
    sample: Report, spoil: Any, complaint: str
) -> None:
    value = plain(sample)
    spoil(value)
    with pytest.raises(EmbedgeError, match=f"the report contradicts itself: .*{complaint}"):
        report_from_json(value)


def test_all_contradictions_are_told_at_once(sample: Report) -> None:
    value = plain(sample)
    value["verdict"]["gates"].append(value["verdict"]["gates"][0])
    _first(value)["tar"].append(_carried(value))
    with pytest.raises(EmbedgeError, match=r"2 gates are called.*; 2 TAR entries"):
        report_from_json(value)


@pytest.mark.parametrize(
    ("gate_name", "value", "complaint"),
    [
        ("accuracy: teacher", 0.001, "and its comparison"),
        ("faults: the data", 0.0, "and its findings are 1"),
    ],
)
def test_gates_are_held_against_what_they_name(
    sample: Report, gate_name: str, value: float, complaint: str
) -> None:
    def forged(found: Any) -> None:
        unit = "%" if "accuracy" in gate_name else ""
        asked = {"bound": 5.0 if unit else 0.0, "direction": "max", "unit": unit}
        found["verdict"]["gates"].append(gate(name=gate_name, value=value, **asked))
        fault = {"code": "x", "severity": "error", "what": "1 x", "count": 1, "examples": []}
        found["evaluation"]["findings"] = [fault]

    found = plain(sample)
    forged(found)
    with pytest.raises(EmbedgeError, match=complaint):
        report_from_json(found)


def _edited_gate(name: str, change: dict[str, Any], value: Any) -> None:
    (found,) = [one for one in value["verdict"]["gates"] if one["name"] == name]
    found.update(at_best=None, needs=None, passed=True, **change)
    value["verdict"]["passed"] = all(one["passed"] for one in value["verdict"]["gates"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("equal error rate", {"value": 5.0, "bound": 5.0}),
        ("no re-enrolment", {"value": 99.5, "bound": 50.0}),
        ("int8-cpu parity", {"value": 0.9999, "bound": 0.95}),
        ("int8-cpu accuracy", {"value": -50.0, "bound": 1.0}),
    ],
)
def test_a_gate_is_held_against_the_figure_in_its_own_report(
    sample: Report, name: str, change: dict[str, Any]
) -> None:
    value = plain(sample)
    assert report_from_json(value) == sample
    _edited_gate(name, change, value)
    with pytest.raises(EmbedgeError, match=f"gate '{name}' says {change['value']}, "):
        report_from_json(value)


def _forged(**change: Any) -> Any:
    def forge(value: Any) -> None:
        alone = next(one for one in value["evaluation"]["comparisons"] if one["at_threshold"])
        alone.update(change)

    return forge


def _steep(value: Any) -> None:
    strict, loose = (_first(value)["tar"][number] for number in (1, 0))
    strict.update(loose, fmr=strict["fmr"], tar=1.0, high=1.0, false_non_matches=0)


def _gate_off(name: str, value: float) -> Any:
    def forge(report: Any) -> None:
        _edited_gate(name, {"value": value}, report)
        fault = {"code": "x", "severity": "error", "what": "1 x", "count": 1, "examples": []}
        report["evaluation"]["findings"] = [fault]
        report["provenance"]["more"]["merged"] = []

    return forge


@pytest.mark.parametrize(
    ("forge", "complaint"),
    [
        (_steep, "TAR at FMR 0.001 is above that at 0.01"),
        (lambda v: _first(v)["det"].update(fnmr=[0.0] * len(_first(v)["det"]["fnmr"])), "DET"),
        (lambda v: _first(v)["histogram"].update(genuine=[0] * 128), "its histogram holds 0"),
        (lambda v: _first(v)["eer"].update(threshold=-7.0), "its equal error rate is"),
        (_forged(subjects=10**6), "1,000,000 people of"),
        (_forged(confidence=0.5), "intervals at 0.5"),
        (lambda v: v["evaluation"]["dataset"].update(identities=10**9), "people are compared"),
        (
            lambda v: v["evaluation"]["dataset"].update(threshold_identities=None),
            "nothing was compared",
        ),
        (lambda v: v["evaluation"]["dataset"].update(thresholds_on="the same people"), "counts 0"),
        (lambda v: v["artifacts"][2]["threshold"].update(value=0.99), "and was judged at"),
        (lambda v: v["artifacts"][2]["threshold"].update(fmr_upper=1.0), "not within its bound"),
        (_gate_off("held-out people", 0.0), "counts 0.0 faults, and its findings are 1"),
        (lambda v: _edited_gate("thresholds hold", {"value": 0.01}, v), "gate 'thresholds hold'"),
    ],
)
def test_what_the_figures_deny_each_other_is_refused(
    sample: Report, forge: Any, complaint: str
) -> None:
    value = plain(sample)
    forge(value)
    with pytest.raises(EmbedgeError, match=complaint):
        report_from_json(value)


@pytest.mark.parametrize("name", ["equal error rate", "thresholds hold", "int8-cpu accuracy"])
def test_a_gate_that_was_removed_is_missed_among_its_kind(sample: Report, name: str) -> None:
    """A failed one would be dropped so; a report without any claims nothing, and says that."""
    value = plain(sample)
    gates = value["verdict"]["gates"]
    value["verdict"]["gates"] = [gate for gate in gates if gate["name"] != name]
    assert len(value["verdict"]["gates"]) == len(gates) - 1
    value["verdict"]["passed"] = all(gate["passed"] for gate in value["verdict"]["gates"])
    with pytest.raises(EmbedgeError, match=f"the gate '{name}' is not among the others"):
        report_from_json(value)


def test_people_of_whom_some_were_trained_on_may_have_set_no_threshold(sample: Report) -> None:
    value, data = plain(sample), "thresholds_on"
    assert value["evaluation"]["dataset"][data] == "other people"
    fault = {"code": "leaking-split", "severity": "error", "what": "2 people", "count": 2}
    value["evaluation"]["findings"].append({**fault, "examples": []})
    gate = next(one for one in value["verdict"]["gates"] if one["name"] == "held-out people")
    gate.update(value=1.0, passed=False)
    value["verdict"]["passed"] = False
    assert [one.name for one in report_from_json(value).verdict.failed] == ["held-out people"]
