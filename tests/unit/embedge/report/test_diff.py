"""A diff tells what got worse beyond chance, and warns where two reports speak of other things."""

import copy
from typing import Any

from embedge.report.diff import comparability, report_changes

CROSS = "teacher gallery, student probe"


def by_name(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {change.what: change for change in report_changes(before, after)}


def test_a_report_equals_itself(sample: dict[str, Any]) -> None:
    assert comparability(sample, sample) == []
    changes = report_changes(sample, sample)
    assert len(changes) > 40
    assert {change.turn for change in changes} == {"same"}


def test_a_lost_point_counts_only_beyond_its_interval(sample: dict[str, Any]) -> None:
    for shift, certain in ((0.005, False), (0.3, True)):
        after = copy.deepcopy(sample)
        one = next(one for one in after["evaluation"]["comparisons"] if one["name"] == CROSS)
        point = next(point for point in one["tar"] if point["fmr"] == 1e-3)
        for key in ("tar", "low", "high"):
            point[key] -= shift
        change = by_name(sample, after)[f"{CROSS}: TAR at FMR 0.001"]
        assert (change.turn, change.certain, change.regression) == ("worse", certain, certain)
        assert by_name(after, sample)[f"{CROSS}: TAR at FMR 0.001"].turn == "better"


def test_slower_is_worse_and_larger_is_worse(sample: dict[str, Any]) -> None:
    after = copy.deepcopy(sample)
    row = after["latency"]["artifacts"][0]
    row["p50"] *= 2
    row["interval"]["p50"] = [2 * end for end in row["interval"]["p50"]]
    after["artifacts"][2]["bytes"] += 100_000
    found = by_name(sample, after)
    assert found["fp32 on 1 thread: p50"].regression
    assert found["int8-cpu: size"].regression
    assert found["fp32 on 1 thread: p90"].turn == "same"


def test_a_gate_that_fails_now_is_a_regression(sample: dict[str, Any]) -> None:
    after = copy.deepcopy(sample)
    after["verdict"]["gates"][2].update(value=5.0, passed=False)
    assert by_name(sample, after)["gate INT8 loss"].regression
    assert by_name(after, sample)["gate INT8 loss"].turn == "better"


def test_what_vanished_is_told(sample: dict[str, Any]) -> None:
    after = copy.deepcopy(sample)
    del after["artifacts"][1], after["evaluation"]["comparisons"][0]
    after["verdict"]["gates"] = after["verdict"]["gates"][1:]
    found = by_name(sample, after)
    for name in ("artifact fp16", "teacher – teacher", "gate cross-space TAR"):
        assert (found[name].turn, found[name].after) == ("changed", None)


def test_other_data_and_machines_are_announced(sample: dict[str, Any]) -> None:
    after = copy.deepcopy(sample)
    after["evaluation"]["dataset"]["fingerprint"] = "0" * 16
    after["latency"]["machine"]["cpu"] = "another"
    told = comparability(sample, after)
    assert len(told) == 2
    assert "evaluation data" in told[0]
