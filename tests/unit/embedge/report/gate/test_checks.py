"""Every kind of rule holds, fails and misses its subject; licences are never overlooked."""

from dataclasses import replace
from typing import Any

import pytest
from sample_report import edited

from embedge.calibration.evaluation.figures import Key, Side, TarPoint
from embedge.report.gate.checks import checks
from embedge.report.gate.measurand import OTHER
from embedge.report.gate.policy import policy_from_json
from embedge.report.model import Gate, Report, Verdict

CROSS = {"gallery": "teacher", "probe": "student", "artifact": "int8-cpu"}
KEY = Key(Side("teacher"), Side("student", "int8-cpu"))


def outcome(report: Report, **rules: Any) -> list[tuple[bool, str]]:
    policy = policy_from_json({"policy": "embedge.policy/2", "gates": "none", **rules})
    return [
        (check.passed, f"{check.rule}: {check.why}")
        for check in checks(report, policy)
        if not check.rule.startswith("licence")
    ]


def tar(sample: Report, fmr: float) -> TarPoint:
    (one,) = (one for one in sample.comparisons if one.key == KEY)
    point = one.tar_at(fmr)
    assert point
    return point


def test_tar_by_value_and_by_the_low_end(sample: Report) -> None:
    point = tar(sample, 1e-3)
    assert point.low is not None
    assert point.tar is not None
    between = (point.low + point.tar) / 2
    rule = {**CROSS, "fmr": 0.001, "at_least": between}
    assert outcome(sample, tar=[{**rule, "bound": "value"}])[0][0]
    (passed, said) = outcome(sample, tar=[rule])[0]
    assert not passed
    assert "low end" in said
    assert "TAR of teacher / student int8-cpu at FMR 0.001" in said


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"tar": [{"gallery": "x", "probe": "x", "fmr": 0.1, "at_least": 0}]},
         "no such comparison; it has: teacher, student fp32, teacher / student fp32"),
        ({"tar": [{**CROSS, "fmr": 0.5, "at_least": 0}]}, "at FMR 0.01, 0.001"),
        ({"tar": [{**CROSS, "fmr": 1e-6, "at_least": 0}]}, "insufficient data"),
        ({"threshold": [{"gallery": "teacher", "probe": "teacher", "fmr_at_most": 1}]},
         "was not measured at a threshold"),
        ({"eer": [{"gallery": "x", "probe": "x", "at_most": 1}]}, "no such comparison"),
        ({"cosine": [{"artifact": "x", "at_least": 0}]}, "it has: fp32, fp16, int8-cpu"),
        ({"size": [{"artifact": "x", "at_most_bytes": 1}]}, "no such artifact"),
        ({"latency": [{"artifact": "x", "at_most_ms": 1}]}, "no such latency"),
        ({"latency": [{"artifact": "fp32", "threads": 99, "at_most_ms": 1}]},
         "on 99 threads: the report has no such latency; it has: fp32 on 1 threads, fp32 on 4"),
        ({"latency": [{"artifact": "fp32", "threads": 4, "quantile": "p99", "at_most_ms": 99}]},
         "310 runs cannot carry it, it takes 368"),
        ({"must_run": ["engines"]}, "was skipped: TensorRT"),
        ({"gates": ["speed"]}, "no such gate"),
    ],
)  # fmt: skip
def test_what_is_missing_has_failed(sample: Report, rules: dict[str, Any], complaint: str) -> None:
    ((passed, said),) = outcome(sample, **rules)
    assert not passed
    assert complaint in said


@pytest.mark.parametrize(
    ("rules", "fine"),
    [
        ({"cosine": [{"artifact": "int8-cpu", "statistic": "p1", "at_least": 0.965}]}, True),
        ({"cosine": [{"artifact": "int8-cpu", "statistic": "min", "at_least": 0.99}]}, False),
        ({"size": [{"artifact": "int8-cpu", "at_most_bytes": 1_402_117}]}, True),
        ({"size": [{"artifact": "int8-cpu", "at_most_bytes": 1_402_116}]}, False),
        ({"latency": [{"artifact": "int8-cpu", "threads": 1, "at_most_ms": 20}]}, True),
        ({"latency": [{"artifact": "int8-cpu", "threads": 1, "at_most_ms": 2}]}, False),
        ({"threshold": [{**CROSS, "fmr_at_most": 0.02}]}, True),
        ({"threshold": [{**CROSS, "fnmr_at_most": 0.001}]}, False),
        ({"eer": [{**CROSS, "at_most": 0.5}]}, True),
        ({"eer": [{**CROSS, "at_most": 0.0, "bound": "value"}]}, False),
        ({"must_run": ["cross-space"]}, True),
        ({"quiet_latency": True}, True),
        ({"gates": "all"}, True),
        ({"gates": ["no re-enrolment"]}, True),
    ],
)
def test_rules_hold_and_fail(sample: Report, rules: dict[str, Any], fine: bool) -> None:
    found = outcome(sample, **rules)
    assert found
    assert all(passed == fine for passed, _ in found)


def test_a_latency_rule_without_threads_holds_every_row(sample: Report) -> None:
    found = outcome(sample, latency=[{"artifact": "fp32", "at_most_ms": 8}])
    assert [passed for passed, _ in found] == [False, True]  # one thread, four threads


def test_disturbed_rounds_fail_a_policy_that_asks_for_quiet(sample: Report) -> None:
    report = edited(sample, lambda value: value["latency"]["artifacts"][2].update(flagged=3))
    assert outcome(report, quiet_latency=True) == [
        (False, "latency on a quiet machine: 3 rounds were disturbed")
    ]


@pytest.mark.parametrize(
    ("weights", "acknowledged", "fine"),
    [
        ("Apache-2.0", [], True),
        ("CC-BY-NC-4.0", [], False),
        ("CC-BY-NC-4.0", ["CC-BY-NC-4.0"], True),
        ("non-commercial research only", ["CC-BY-NC-4.0"], False),
        (None, [], False),
    ],
)
def test_licences_are_looked_at_unasked(
    sample: Report, weights: str | None, acknowledged: list[str], fine: bool
) -> None:
    report = edited(sample, lambda value: value["provenance"].update(weight_licence=weights))
    rules = {"policy": "embedge.policy/2", "licences": {"acknowledged": acknowledged}}
    found = {check.rule: check.passed for check in checks(report, policy_from_json(rules))}
    assert found["licence of the weights"] is fine


@pytest.mark.parametrize("gates", ["all", ["engine parity"]])
def test_of_gates_of_one_name_every_one_counts(sample: Report, gates: Any) -> None:
    """As of three boards of one kind whose reports were merged."""
    failed = Gate.of(OTHER, "engine parity", "", 0.1, 0.9, "min")
    passed = Gate.of(OTHER, "engine parity", "", 0.95, 0.9, "min")
    report = replace(sample, verdict=Verdict.of([failed, passed]))
    assert [one for one, _ in outcome(report, gates=gates)] == [False, True]


def test_all_gates_of_a_report_without_any_is_no_pass(sample: Report) -> None:
    """As of a device's bench: nothing was asked of it, so nothing held."""
    report = replace(sample, verdict=Verdict.of([]))
    assert outcome(report, gates="all") == [
        (False, "gates: the report has none; a policy for such reports says `gates: none`")
    ]
    assert outcome(report, gates="none") == []


def test_a_policy_that_checks_nothing_fails(sample: Report) -> None:
    report = replace(sample, provenance=replace(sample.provenance, weight_licence=None))
    report = replace(report, provenance=replace(report.provenance, data_licence=None))
    asked = {"gates": "none", "licences": {"required": []}}
    ((passed, said),) = outcome(report, **asked)
    assert not passed
    assert "0 checks" in said


def test_a_unit_stands_on_both_sides(sample: Report) -> None:
    told = [said for _, said in outcome(sample, gates=["no re-enrolment"])]
    assert told[0].count("%") == 2


@pytest.mark.parametrize(("asked", "failed"), [({}, True), ({"not_shown": "told"}, False)])
def test_what_too_few_people_show_fails_unless_the_policy_says_otherwise(
    sample: Report, asked: dict[str, Any], failed: bool
) -> None:
    short = Gate.of(OTHER, "loss", "TAR lost", 6.0, 1.0, "max", "points", at_best=0.2, needs=412)
    policy = policy_from_json({"policy": "embedge.policy/2", "gates": ["loss"], **asked})
    check, *_ = checks(replace(sample, verdict=Verdict.of([short])), policy)
    assert (check.passed, check.failed) == (False, failed)
    assert check.why == "not 6 points ≤ 1 points (0.2 points seen, needs at least 412 people)"


def test_a_policy_that_only_wants_to_be_told_still_fails_what_failed(sample: Report) -> None:
    lost = Gate.of(OTHER, "loss", "TAR lost", 6.0, 1.0, "max", "points", at_best=1.2)
    policy = policy_from_json({"policy": "embedge.policy/2", "not_shown": "told"})
    check, *_ = checks(replace(sample, verdict=Verdict.of([lost])), policy)
    assert check.failed


def test_a_stage_that_left_nothing_did_not_run(sample: Report) -> None:
    rule = {"must_run": ["engines"]}
    silent = replace(sample, skipped=())
    assert outcome(silent, **rule) == [
        (False, "stage engines: left nothing in the report that it ran")
    ]
    built = replace(sample.provenance, more={"engines": {"student.fp16.plan": "e" * 64}})
    assert outcome(replace(silent, provenance=built), **rule)[0][0]
