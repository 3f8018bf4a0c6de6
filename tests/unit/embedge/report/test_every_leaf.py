"""No leaf of any gate can be edited by itself, nor what a gate is made of; words are listed."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from edited_leaves import HARMLESS, accepted, at
from sample_report import sample_parity, sample_report

from embedge.errors import EmbedgeError
from embedge.pipeline.proving.bounds import Bounds, proof_gates
from embedge.report.model import Report, Verdict
from embedge.report.read import report_from_json
from embedge.typed import plain


def _own() -> Report:
    """Of a network as it came: no recipe says what was asked."""
    told, parity = sample_report(pictures=False), sample_parity()
    bounds = Bounds(fmr=0.01, threshold_fmr=0.01, whom="the network as it came", alone="fp32")
    assert told.evaluation is not None
    own = tuple(one for one in parity.comparisons if one.gallery.model != "teacher")
    parity = replace(parity, comparisons=own)
    return replace(
        told,
        verdict=Verdict.of(proof_gates(bounds, parity)),
        evaluation=replace(told.evaluation, comparisons=own),
        provenance=replace(told.provenance, recipe={}),
    )


@pytest.fixture(scope="module", params=["of a run", "of a network as it came"])
def value(request: pytest.FixtureRequest) -> Any:
    report = sample_report(pictures=False) if request.param == "of a run" else _own()
    small = replace(report, latency=None, training=None, worst=None)
    assert report_from_json(plain(small)) == small
    return plain(small)


def _comparisons(value: Any, field: str) -> list[Any]:
    return [
        ("evaluation", "comparisons", number)
        for number, one in enumerate(value["evaluation"]["comparisons"])
        if one[field]
    ]


def test_no_leaf_of_a_gate_can_be_edited(value: Any) -> None:
    for number, gate in enumerate(value["verdict"]["gates"]):
        found = list(accepted(value, ("verdict", "gates", number)))
        assert [one for one in found if one[0][0] not in HARMLESS] == [], gate["name"]
        assert {path[0] for path, _ in found} == set(HARMLESS)


def test_no_end_of_a_loss_that_a_gate_stands_on_can_be_edited(value: Any) -> None:
    """Nor its rate; the lower end stands for no gate and is held to what its people allow."""
    found = {
        path[-1]
        for place in _comparisons(value, "loss")
        for path, _ in accepted(value, (*place, "loss"))
    }
    assert found <= {"low"}
    for place in _comparisons(value, "loss"):
        edited = deepcopy(value)
        loss = at(edited, place)["loss"]
        loss["low"] = loss["difference"] - 1e-3
        with pytest.raises(EmbedgeError, match=r"narrower interval than .* people allow"):
            report_from_json(edited)


@pytest.mark.parametrize("field", ["loss", "at_threshold"])
def test_what_a_gate_is_made_of_cannot_be_taken_away(value: Any, field: str) -> None:
    for place in _comparisons(value, field):
        edited = deepcopy(value)
        at(edited, place)[field] = None
        if _lone(at(edited, place)):
            with pytest.raises(EmbedgeError, match="the report contradicts itself"):
                report_from_json(edited)


def _lone(one: Any) -> bool:
    return bool(one["gallery"] == one["probe"])


def test_no_promise_that_an_artifact_makes_can_be_edited(value: Any) -> None:
    for place in _comparisons(value, "at_threshold"):
        found = accepted(value, (*place, "at_threshold", "promised"))
        assert not _lone(at(value, place)) or not list(found)


def test_the_loss_of_a_comparison_is_that_of_its_gate() -> None:
    report = sample_report(pictures=False)
    losses = {one.probe.artifact: one.loss for one in report.comparisons if one.loss}
    gates = {one.measures.of: one for one in report.verdict.gates if "lost" in one.measures.figure}
    assert set(losses) == set(gates) == {"fp16", "int8-cpu"}
    for name, loss in losses.items():
        told = (gates[name].value, gates[name].at_best)
        assert told == pytest.approx((100 * loss.high, 100 * loss.difference), abs=1e-11)
        assert str(loss.reference) == "student fp32"


def test_a_report_from_before_losses_had_intervals_is_read(value: Any) -> None:
    """With what its gates say; every other figure is held as it was."""
    older = deepcopy(value)
    for one in older["evaluation"]["comparisons"]:
        del one["loss"]
        if one["at_threshold"]:
            del one["at_threshold"]["promised"]
    assert report_from_json(older).verdict == report_from_json(value).verdict
