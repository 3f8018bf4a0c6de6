"""A diff tells what got worse beyond chance, and warns where two reports speak of other things."""

from collections.abc import Callable
from typing import Any

import pytest
from sample_report import edited

from embedge.report.diff import Change, comparability, obstacles, report_changes
from embedge.report.gate.checks import checks
from embedge.report.gate.policy import policy_from_json
from embedge.report.model import Report
from embedge.typed import plain, structured

CROSS = {"gallery": {"model": "teacher", "artifact": None}}
INT8 = {"probe": {"model": "student", "artifact": "int8-cpu"}}
CROSS_INT8 = "teacher / student int8-cpu"


def unheld(report: Report, edit: Callable[[Any], object]) -> Report:
    """What a run could find, and no edit of one figure can: a reader holds it against others."""
    value = plain(report)
    edit(value)
    return structured(Report, value)


def by_name(before: Report, after: Report) -> dict[str, Change]:
    return {change.what: change for change in report_changes(before, after)}


def cross(value: Any) -> Any:
    (one,) = (
        one
        for one in value["evaluation"]["comparisons"]
        if one.items() >= {**CROSS, **INT8}.items()
    )
    return one


def test_a_report_equals_itself(sample: Report) -> None:
    assert comparability(sample, sample) == []
    changes = report_changes(sample, sample)
    assert len(changes) > 40
    assert {change.turn for change in changes} == {"same"}


def test_a_lost_point_counts_only_beyond_its_interval(sample: Report) -> None:
    for shift, certain in ((0.005, False), (0.3, True)):

        def lose(value: Any, shift: float = shift) -> None:
            point = next(point for point in cross(value)["tar"] if point["fmr"] == 1e-3)
            for key in ("tar", "low", "high"):
                point[key] -= shift
            point["false_non_matches"] += round(shift * cross(value)["genuine"])

        after, figure = unheld(sample, lose), f"{CROSS_INT8}: TAR at FMR 0.001"
        change = by_name(sample, after)[figure]
        assert (change.turn, change.certain, change.regression) == ("worse", certain, certain)
        assert by_name(after, sample)[figure].turn == "better"


def test_slower_is_worse_and_larger_is_worse(sample: Report) -> None:
    def spoil(value: Any) -> None:
        row = value["latency"]["artifacts"][0]
        row["p50"] *= 2
        row["interval"]["p50"] = [2 * end for end in row["interval"]["p50"]]
        value["artifacts"][2]["bytes"] += 100_000

    found = by_name(sample, edited(sample, spoil))
    assert found["fp32 on 1 thread: p50"].regression
    assert found["int8-cpu: size"].regression
    assert found["fp32 on 1 thread: p90"].turn == "same"
    assert found["verification, end to end: p50"].turn == "same"


def _gate(value: Any, name: str) -> Any:
    return next(gate for gate in value["verdict"]["gates"] if gate["name"] == name)


def test_a_gate_that_fails_now_is_a_regression(sample: Report) -> None:
    def fail(value: Any) -> None:
        _gate(value, "thresholds hold").update(value=3.0, passed=False)
        value["verdict"]["passed"] = False

    after = unheld(sample, fail)
    assert by_name(sample, after)["gate thresholds hold"].regression
    assert by_name(after, sample)["gate thresholds hold"].turn == "better"


def test_what_vanished_is_told(sample: Report) -> None:
    def remove(value: Any) -> None:
        found, verdict = value["evaluation"], value["verdict"]
        del value["artifacts"][1], found["comparisons"][0]
        found["comparisons"] = [
            one for one in found["comparisons"] if one["probe"]["artifact"] != "fp16"
        ]
        verdict["gates"] = [one for one in verdict["gates"] if one["measures"]["of"] != "fp16"]

    found = by_name(sample, edited(sample, remove))
    for name in ("artifact fp16", "teacher", "gate fp16 parity"):
        assert (found[name].turn, found[name].after) == ("changed", None)


def test_other_data_and_machines_are_announced(sample: Report) -> None:
    def move(value: Any) -> None:
        value["evaluation"]["dataset"]["fingerprint"] = "0" * 16
        value["latency"]["machine"]["cpu"] = "another"

    told = comparability(sample, edited(sample, move))
    assert len(told) == 2
    assert "evaluation data" in told[0]


def stands(before: Report, after: Report) -> list[str]:
    return obstacles(before, after, report_changes(before, after))


def test_another_question_is_not_better(sample: Report) -> None:
    def loosen(value: Any) -> None:
        value["provenance"]["recipe"]["evaluate"]["gates"]["cross_space_tar"] = 0.01
        value["verdict"]["gates"][-1].update(bound=1.0)

    after = edited(sample, loosen)
    change = by_name(sample, after)["gate no re-enrolment asks"]
    assert (change.turn, change.definition) == ("changed", True)
    assert "at least 50 %" in str(change.before)
    assert "at least 1 %" in str(change.after)
    assert "gate no re-enrolment" not in by_name(sample, after)
    assert len(stands(sample, after)) == 1


def test_a_looser_gate_that_now_passes_is_no_progress(sample: Report) -> None:
    def failed(value: Any) -> None:
        value["provenance"]["recipe"]["evaluate"]["gates"]["cross_space_tar"] = 0.999
        value["verdict"]["gates"][-1].update(bound=99.9, passed=False)
        value["verdict"]["passed"] = False

    before = edited(sample, failed)
    assert "better" not in {
        one.turn for one in report_changes(before, sample) if one.what.startswith("gate")
    }
    assert stands(before, sample)
    assert by_name(sample, before)["gate no re-enrolment"].regression


def test_a_gate_that_is_gone_stands_in_the_way_and_a_new_one_does_not(sample: Report) -> None:
    def remove(value: Any) -> None:
        del value["verdict"]["gates"][0]

    after = unheld(sample, remove)
    assert stands(sample, after) == ["gate fp32 parity: there → None"]
    assert stands(after, sample) == []


def test_a_lost_or_looser_threshold_is_worse(sample: Report) -> None:
    def lose(value: Any) -> None:
        value["artifacts"][0]["threshold"] = None
        value["artifacts"][1]["threshold"]["fmr_target"] = 0.05

    found = by_name(sample, unheld(sample, lose))
    for name in ("fp32", "fp16"):
        assert found[f"{name}: FMR its threshold keeps"].regression
    back = by_name(unheld(sample, lose), sample)
    assert back["fp16: FMR its threshold keeps"].turn == "better"


@pytest.mark.parametrize("lost", ["gone", "not carried", "eer"])
def test_a_rate_that_is_no_longer_told_is_worse(sample: Report, lost: str) -> None:
    def lose(value: Any) -> None:
        one = cross(value)
        if lost == "eer":
            one["eer"] = None
            return
        carried = [point for point in one["tar"] if point["tar"] is not None]
        if lost == "gone":
            one["tar"].remove(carried[-1])
        else:
            carried[-1].update(tar=None, needs=10**6, have=180)

    (change,) = [one for one in report_changes(sample, unheld(sample, lose)) if one.regression]
    assert ("equal error rate" if lost == "eer" else "TAR at FMR") in change.what
    assert (change.after is None) == (lost != "not carried")
    assert not [one for one in report_changes(unheld(sample, lose), sample) if one.regression]


def test_where_nothing_is_in_both_nothing_is_proven(sample: Report) -> None:
    def other(value: Any) -> None:
        for one in value["evaluation"]["comparisons"]:
            for side in ("gallery", "probe"):
                one[side]["model"] = f"another {one[side]['model']}"

    assert "no comparison is in both reports" in stands(sample, unheld(sample, other))

    def bare(value: Any) -> None:
        value.update(evaluation=None, latency=None, artifacts=[], devices=[], provenance={})
        value["verdict"] = {"passed": True, "gates": []}

    empty = edited(sample, bare)
    assert stands(empty, empty) == ["no figure is in both reports"]


def test_other_people_prove_nothing(sample: Report) -> None:
    def move(value: Any) -> None:
        value["evaluation"]["dataset"]["fingerprint"] = "0" * 16

    assert any("evaluation data differs" in one for one in stands(sample, edited(sample, move)))


def test_no_wording_of_a_gate_changes_a_verdict(sample: Report) -> None:
    def reword(value: Any) -> None:
        for number, gate in enumerate(value["verdict"]["gates"]):
            gate.update(what=f"other words ({number} found)", name=f"another name {number}")

    after = edited(sample, reword)
    changes = report_changes(sample, after)
    assert {one.turn for one in changes} == {"same"}
    assert obstacles(sample, after, changes) == []
    policy = policy_from_json({"policy": "embedge.policy/2"})
    verdicts = [[one.passed for one in checks(report, policy)] for report in (sample, after)]
    assert verdicts[0] == verdicts[1]


def test_other_faults_looked_for_are_another_question(sample: Report) -> None:
    def fewer(value: Any) -> None:
        gate = _gate(value, "held-out people")
        gate["measures"]["checked"] = ["copies"]
        gate["what"] = "copies were looked for, shuffled labels were not"

    changes = report_changes(sample, edited(sample, fewer))
    assert [one.what for one in changes if one.definition] == ["gate held-out people asks"]


def test_what_is_no_longer_shown_is_worse_than_passed_and_better_than_failed(
    sample: Report,
) -> None:
    def missed(value: Any, at_best: float) -> None:
        gate = _gate(value, "thresholds hold")  # at most 1
        gate.update(value=2.0, passed=False, at_best=at_best)
        value["verdict"]["passed"] = False

    def short(value: Any) -> None:
        missed(value, 0.9)

    def failed(value: Any) -> None:
        missed(value, 1.5)

    fewer, lost = unheld(sample, short), unheld(sample, failed)
    for before, after, turn in (
        (sample, fewer, "worse"),
        (fewer, lost, "worse"),
        (lost, fewer, "better"),
    ):
        assert by_name(before, after)["gate thresholds hold"].turn == turn
    assert by_name(sample, fewer)["gate thresholds hold"].after == "not shown"


def _alone(value: Any) -> Any:
    side = {"model": "student", "artifact": "int8-cpu"}
    comparisons = value["evaluation"]["comparisons"]
    return next(one for one in comparisons if one["gallery"] == one["probe"] == side)


@pytest.mark.parametrize("rate", ["fmr", "fnmr"])
def test_what_a_device_does_at_its_threshold_is_looked_at(sample: Report, rate: str) -> None:
    def worse(value: Any) -> None:
        _alone(value)["at_threshold"][rate] = {"rate": 0.6, "low": 0.5, "high": 0.7}

    def lost(value: Any) -> None:
        _alone(value)["at_threshold"] = None

    name = f"student int8-cpu: {rate.upper()} at its threshold"
    assert by_name(sample, unheld(sample, worse))[name].regression
    assert by_name(unheld(sample, worse), sample)[name].turn == "better"
    assert by_name(sample, unheld(sample, lost))[
        "student int8-cpu: rates at its threshold"
    ].regression


def test_a_threshold_cannot_move_on_the_same_people_nor_lose_evidence(sample: Report) -> None:
    def moved(by: float, model: str) -> Report:
        def edit(value: Any) -> None:
            value["artifacts"][2]["threshold"]["value"] += by
            value["artifacts"][2]["threshold"]["model"] = model

        return unheld(sample, edit)

    def fewer(value: Any) -> None:
        value["artifacts"][2]["threshold"]["subjects"] -= 1

    threshold = sample.artifacts[2].threshold
    assert threshold
    name = "int8-cpu: its threshold"
    for by in (0.01, -0.01):
        assert by_name(sample, moved(by, threshold.model))[name].regression
        assert by_name(sample, moved(by, "another file"))[name].turn == "changed"
    people = "int8-cpu: people behind its threshold"
    assert by_name(sample, unheld(sample, fewer))[people].regression


def test_a_new_error_among_the_findings_is_a_regression(sample: Report) -> None:
    def found(severity: str) -> Report:
        def edit(value: Any) -> None:
            fault = {"code": "leaking-split", "severity": severity, "what": "59 people"}
            value["evaluation"]["findings"].append({**fault, "count": 59})

        return unheld(sample, edit)

    name = "finding leaking-split of the data"
    assert by_name(sample, found("error"))[name].regression
    assert by_name(found("warning"), found("error"))[name].regression
    assert not by_name(sample, found("warning"))[name].regression
