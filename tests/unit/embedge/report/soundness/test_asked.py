"""What a recipe asks for stands in the verdict, under its own bounds, whatever is taken away."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from engine_cards import ORIN

from embedge.calibration.evaluation.figures import Cosines
from embedge.errors import EmbedgeError
from embedge.export.engines.check import EngineCheck
from embedge.report.engine import engine_report
from embedge.report.merge import merged_report
from embedge.report.model import Report
from embedge.report.read import report_from_json
from embedge.typed import plain

_SAID = "the report contradicts itself: .*"
_NOBODY: list[Any] = ["x", 5, [], ["x"], {"device": "x"}, [{"title": "x"}], [{"device": ""}]]


def _gate(value: Any, name: str) -> Any:
    return next(one for one in value["verdict"]["gates"] if one["name"] == name)


@pytest.mark.parametrize("recipe", [True, False])
def test_a_run_without_its_evaluation_has_its_gates(sample: Report, recipe: bool) -> None:
    """Those of parity alone pass."""
    value = plain(sample)
    value["evaluation"] = None
    gates = [one for one in value["verdict"]["gates"] if "parity" in one["name"]]
    for kept in (gates, []):
        value["verdict"] = {"passed": True, "gates": kept}
        if not recipe:
            value["provenance"]["recipe"] = {}
        with pytest.raises(EmbedgeError, match=_SAID + "'thresholds hold' is not among the others"):
            report_from_json(value)


def test_a_recipe_asks_for_gates_whatever_else_is_gone(sample: Report) -> None:
    value = plain(sample) | {"evaluation": None, "artifacts": []}
    value["verdict"] = {"passed": True, "gates": []}
    with pytest.raises(EmbedgeError, match=_SAID + "'equal error rate' is not among the others"):
        report_from_json(value)


@pytest.mark.parametrize("merged", [*_NOBODY, [{"device": "a phone"}]])
@pytest.mark.parametrize("name", ["equal error rate", "int8-cpu accuracy", "fp32 parity"])
def test_a_merge_lifts_no_bound_of_the_run_itself(sample: Report, merged: Any, name: str) -> None:
    value = plain(sample)
    value["provenance"]["more"]["merged"] = merged
    gate = _gate(value, name)
    gate["bound"] -= 0.02 if gate["direction"] == "min" else -0.02
    gate |= {"needs": None}
    with pytest.raises(EmbedgeError, match=_SAID + f"gate '{name}' has the bound .* was asked for"):
        report_from_json(value)


def test_whoever_says_that_something_was_merged_tells_no_other_fault(sample: Report) -> None:
    value = plain(sample)
    value["provenance"]["more"]["merged"] = "x"
    assert report_from_json(value).verdict == sample.verdict


def _engine(sample: Report) -> Report:
    assert sample.space
    contract = SimpleNamespace(space=sample.space.id, digest=sample.space.contract_digest)
    bundle = SimpleNamespace(name="front door", contract=contract, provenance={})
    graph = SimpleNamespace(file="student.int8-trt.onnx", opset=17)
    check = EngineCheck(Cosines(0.9, 0.8, 0.700004, 64), 0.99, "TensorRT", (), {})
    card = replace(ORIN, plan="int8.plan", device="Orin Nano")
    return engine_report(bundle, graph, "engines/int8.plan", card, check, "embedge build-engine")  # type: ignore[arg-type]


@pytest.mark.parametrize("note", [None, ""])
def test_an_engine_is_as_near_as_its_own_figures_say(sample: Report, note: str | None) -> None:
    report = _engine(sample)
    assert report_from_json(plain(report)).verdict == report.verdict
    assert not merged_report(sample, [report]).verdict.passed
    value = plain(report)
    value["verdict"]["passed"] = True
    value["verdict"]["gates"][0].update(value=0.995, passed=True)
    if note is not None:
        value["artifacts"][0]["note"] = note
    with pytest.raises(EmbedgeError, match=_SAID + "gate 'engine parity int8'"):
        report_from_json(value)


def test_an_engine_that_was_timed_first_is_merged(sample: Report) -> None:
    """What the bench knows of it does not tell how near it is."""
    engine = _engine(sample)
    bench = replace(engine, verdict=replace(engine.verdict, passed=True, gates=()))
    bench = replace(bench, artifacts=(replace(engine.artifacts[0], note=""),))
    merged = merged_report(sample, [bench, engine])
    assert report_from_json(plain(merged)) == merged
