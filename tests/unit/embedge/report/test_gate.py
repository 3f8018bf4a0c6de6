"""Every kind of rule holds, fails and misses its subject; licences are never overlooked."""

import copy
from pathlib import Path
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.report.gate.checks import checks
from embedge.report.gate.licence import non_commercial
from embedge.report.gate.policy import Policy, read_policy

CROSS = "teacher gallery, student probe"


def outcome(report: dict[str, Any], **rules: Any) -> list[tuple[bool, str]]:
    policy = Policy.model_validate({"policy": "embedge.policy/1", "gates": "none", **rules})
    return [
        (check.passed, f"{check.rule}: {check.why}")
        for check in checks(report, policy)
        if not check.rule.startswith("licence")
    ]


def tar(sample: dict[str, Any], fmr: float) -> dict[str, Any]:
    one = next(one for one in sample["evaluation"]["comparisons"] if one["name"] == CROSS)
    return next(point for point in one["tar"] if point["fmr"] == fmr)


def test_tar_by_value_and_by_the_low_end(sample: dict[str, Any]) -> None:
    point = tar(sample, 1e-3)
    between = (point["low"] + point["tar"]) / 2
    rule = {"comparison": CROSS, "fmr": 0.001, "at_least": between}
    assert outcome(sample, tar=[rule])[0][0]
    (passed, said) = outcome(sample, tar=[{**rule, "bound": "low"}])[0]
    assert not passed
    assert "low end" in said


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"tar": [{"comparison": "x", "fmr": 0.1, "at_least": 0}]}, "no such comparison"),
        ({"tar": [{"comparison": CROSS, "fmr": 0.5, "at_least": 0}]}, "at FMR 0.01, 0.001"),
        ({"tar": [{"comparison": CROSS, "fmr": 1e-6, "at_least": 0}]}, "insufficient data"),
        ({"cosine": [{"artifact": "x", "at_least": 0}]}, "it has: fp32, fp16, int8-cpu"),
        ({"size": [{"artifact": "x", "at_most_bytes": 1}]}, "no such artifact"),
        ({"latency": [{"artifact": "x", "at_most_ms": 1}]}, "no such latency"),
        ({"latency": [{"artifact": "fp32", "threads": 4, "quantile": "p99", "at_most_ms": 99}]},
         "310 runs cannot carry it, it takes 368"),
        ({"must_run": ["engines"]}, "was skipped: TensorRT"),
        ({"gates": ["speed"]}, "no such gate"),
    ],
)  # fmt: skip
def test_what_is_missing_has_failed(
    sample: dict[str, Any], rules: dict[str, Any], complaint: str
) -> None:
    ((passed, said),) = outcome(sample, **rules)
    assert not passed
    assert complaint in said


@pytest.mark.parametrize(
    ("rules", "fine"),
    [
        ({"cosine": [{"artifact": "int8-cpu", "statistic": "p1", "at_least": 0.97}]}, True),
        ({"cosine": [{"artifact": "int8-cpu", "statistic": "min", "at_least": 0.97}]}, False),
        ({"size": [{"artifact": "int8-cpu", "at_most_bytes": 1_402_117}]}, True),
        ({"size": [{"artifact": "int8-cpu", "at_most_bytes": 1_402_116}]}, False),
        ({"latency": [{"artifact": "int8-cpu", "threads": 1, "at_most_ms": 20}]}, True),
        ({"latency": [{"artifact": "int8-cpu", "threads": 1, "at_most_ms": 2}]}, False),
        ({"threshold": [{"comparison": CROSS, "fmr_at_most": 0.002}]}, True),
        ({"threshold": [{"comparison": CROSS, "fnmr_at_most": 0.001}]}, False),
        ({"must_run": ["parity"]}, True),
        ({"quiet_latency": True}, True),
        ({"gates": "all"}, True),
    ],
)
def test_rules_hold_and_fail(sample: dict[str, Any], rules: dict[str, Any], fine: bool) -> None:
    found = outcome(sample, **rules)
    assert found
    assert all(passed == fine for passed, _ in found)


def test_a_latency_rule_without_threads_holds_every_row(sample: dict[str, Any]) -> None:
    found = outcome(sample, latency=[{"artifact": "fp32", "at_most_ms": 8}])
    assert [passed for passed, _ in found] == [False, True]  # one thread, four threads


def test_disturbed_rounds_fail_a_policy_that_asks_for_quiet(sample: dict[str, Any]) -> None:
    report = copy.deepcopy(sample)
    report["latency"]["artifacts"][2]["flagged"] = 3
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
    sample: dict[str, Any], weights: str | None, acknowledged: list[str], fine: bool
) -> None:
    report = copy.deepcopy(sample)
    report["provenance"]["weight_licence"] = weights
    policy = Policy.model_validate(
        {"policy": "embedge.policy/1", "licences": {"acknowledged": acknowledged}}
    )
    found = {check.rule: check.passed for check in checks(report, policy)}
    assert found["licence of the weights"] is fine


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC BY-NC-SA 4.0", True),
        ("Non Commercial use", True),
        ("for research purposes", True),
        ("academic use only", True),
        ("MIT", False),
        ("NCSA", False),
        ("Apache-2.0 (commercial use allowed)", False),
    ],
)
def test_reading_of_licences(licence: str, expected: bool) -> None:
    assert non_commercial(licence) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("policy: embedge.policy/2", "embedge.policy/1"),
        ("policy: embedge.policy/1\ntars: []", "tars"),
        ("policy: embedge.policy/1\ntar: [{comparison: a, fmr: 2, at_least: 1}]", "tar.0.fmr"),
        ("policy: embedge.policy/1\nthreshold: [{comparison: a}]", "fmr_at_most"),
        ("a: [", "E-POLICY"),
        ("!!python/object/apply:os.system [true]", "E-POLICY"),
    ],
)
def test_a_wrong_policy_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(EmbedgeError, match="E-POLICY") as caught:
        read_policy(path)
    assert complaint in str(caught.value)
