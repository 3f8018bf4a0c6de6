"""A gate looks at the comparison of its key, and one that was not measured has failed."""

from dataclasses import replace

import pytest
from sample_report import sample_recipe, sample_report

from embedge.calibration.evaluation.figures import Key
from embedge.pipeline.recipe import Recipe
from embedge.pipeline.stages.ship.gates import gates_of
from embedge.pipeline.stages.ship.parity_result import (
    TEACHER,
    ArtifactParity,
    ParityResult,
    WorstPlaces,
    student,
)
from embedge.report.model import Gate

ACROSS = Key(TEACHER, student("fp32"))


@pytest.fixture(scope="module")
def findings() -> ParityResult:
    report = sample_report()
    assert report.evaluation
    artifacts = {
        one.name: ArtifactParity("CPU", one.cosine_to_torch, one.threshold, None, None, ())
        for one in report.artifacts
        if one.cosine_to_torch
    }
    return ParityResult(
        report.evaluation.dataset, artifacts, report.comparisons, WorstPlaces((), ())
    )


def gates(findings: ParityResult, **more: object) -> dict[str, Gate]:
    evaluate = {"fmrs": [0.01], "gate_fmr": 0.01, **more}
    recipe = Recipe.model_validate({"name": "x", "evaluate": evaluate})
    return {gate.name: gate for gate in gates_of(recipe, findings)}


def tar(findings: ParityResult, key: Key) -> float:
    (one,) = (one for one in findings.comparisons if one.key == key)
    point = one.tar_at(0.01)
    assert point
    assert point.tar is not None
    return point.tar


def test_the_gates_are_those_of_the_sample_report(findings: ParityResult) -> None:
    assert gates_of(sample_recipe(), findings) == list(sample_report().verdict.gates)


def test_every_gate_reads_its_own_comparison(findings: ParityResult) -> None:
    found = gates(findings)
    whole, part = (tar(findings, Key(student(n), student(n))) for n in ("fp32", "int8-cpu"))
    assert found["int8-cpu accuracy"].value == round(100 * (whole - part), 5)
    assert found["no re-enrolment"].value == round(100 * tar(findings, ACROSS), 5)
    assert found["int8-cpu parity"].value == round(findings.artifacts["int8-cpu"].cosine.p1, 5)


def test_what_was_not_measured_has_failed(findings: ParityResult) -> None:
    found = gates(findings, gate_fmr=1e-6)
    assert found["no re-enrolment"].value is None
    assert not found["no re-enrolment"].passed
    assert not found["fp16 accuracy"].passed


def test_a_student_with_a_space_of_its_own_is_asked_only_when_somebody_demands_it(
    findings: ParityResult,
) -> None:
    alone = tuple(one for one in findings.comparisons if one.key != ACROSS)
    own = replace(findings, comparisons=alone)
    assert "no re-enrolment" not in gates(own)
    demanded = gates(own, gates={"cross_space_tar": 0.5})["no re-enrolment"]
    assert (demanded.value, demanded.bound, demanded.passed) == (None, 50, False)
