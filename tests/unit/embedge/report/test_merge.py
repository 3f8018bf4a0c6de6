"""Reports of devices join the bundle's report, when they speak of the same bundle."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from engine_cards import ORIN

from embedge.bench.results import Latency
from embedge.calibration.evaluation.figures import Acquisition, Cosines, Side
from embedge.calibration.evaluation.integrity import DataFault
from embedge.errors import EmbedgeError
from embedge.export.engines.check import EngineCheck
from embedge.report import model
from embedge.report.engine import engine_report
from embedge.report.merge import merged_report
from embedge.report.model import Provenance, Report, Skipped, Verdict
from embedge.report.read import report_from_json
from embedge.report.render.html import html_from_report
from embedge.typed import plain, structured

CARD = replace(ORIN, plan="int8.plan", device="Orin Nano")


@pytest.fixture
def device(sample: Report) -> Report:
    """What a board that built an engine sends back; the engine is not what its graph is."""
    assert sample.space
    assert sample.latency
    contract = SimpleNamespace(space=sample.space.id, digest=sample.space.contract_digest)
    bundle = SimpleNamespace(name="front door", contract=contract, provenance={})
    graph = SimpleNamespace(file="student.int8-trt.onnx", opset=17)
    latency = (replace(sample.latency.artifacts[0], artifact="int8"),)
    check = EngineCheck(Cosines(0.5, 0.4, 0.31, 64), 0.99, "TensorRT", latency, {})
    report = engine_report(bundle, graph, "engines/int8.plan", CARD, check, "embedge build-engine")  # type: ignore[arg-type]
    return replace(
        report,
        artifacts=(replace(sample.artifacts[0], cosine_to_torch=None), *report.artifacts),
        skipped=(Skipped("cross-space", "no teacher on the board"),),
    )


def on_a_board(sample: Report, name: str) -> Latency:
    assert sample.latency
    return replace(sample.latency, machine=replace(sample.latency.machine, name=name))


def test_everything_the_device_found_is_there(sample: Report, device: Report) -> None:
    merged = merged_report(sample, [device], resolved=["engines"])
    assert report_from_json(plain(merged)) == merged
    names = [artifact.name for artifact in merged.artifacts]
    assert names == ["fp32", "fp16", "int8-cpu", "int8"]
    assert [one.device for one in merged.devices] == ["Orin Nano"]
    assert [item.stage for item in merged.skipped] == ["cross-space"]
    assert "(Orin Nano)" in merged.skipped[0].reason
    assert merged.provenance.more["merged"][0]["title"] == "front door: engine int8"


def test_a_device_that_fails_fails_the_whole(sample: Report, device: Report) -> None:
    merged = merged_report(sample, [device])
    assert not merged.verdict.passed
    assert [gate.name for gate in merged.verdict.failed] == ["engine parity int8"]
    page = html_from_report(merged)
    assert "How fast is it on Orin Nano?" in page
    assert page.count('id="latency"') == 1


def test_a_gate_and_a_comparison_of_both_count_once(sample: Report) -> None:
    merged = merged_report(sample, [replace(sample, devices=())])
    assert merged.verdict == sample.verdict
    assert merged.comparisons == sample.comparisons


def other_data(value: Any) -> None:
    dataset = {"name": "d", "fingerprint": "f", "identities": 1, "images": 1}
    value.update(evaluation={"dataset": dataset, "comparisons": []})


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda r: r["space"].update(contract_digest="0" * 64), "contracts differ"),
        (lambda r: r.pop("space"), "contracts differ"),
        (lambda r: r["artifacts"][0].update(sha256="0" * 64), "another file"),
        (other_data, "other data"),
    ],
)
def test_strangers_are_refused(
    sample: Report, device: Report, spoil: Callable[[Any], object], complaint: str
) -> None:
    value = plain(device)
    spoil(value)
    stranger = structured(Report, value)
    with pytest.raises(EmbedgeError, match=complaint):
        merged_report(sample, [stranger])


def test_merging_twice_keeps_both_devices(sample: Report, device: Report) -> None:
    other = replace(device, latency=on_a_board(sample, "Nano"))
    merged = merged_report(merged_report(sample, [device]), [other])
    assert [one.device for one in merged.devices] == ["Orin Nano", "Nano"]


def test_a_report_that_was_merged_before_adds_nothing(sample: Report, device: Report) -> None:
    once = merged_report(sample, [device])
    assert merged_report(once, [device]) == once
    assert merged_report(sample, [device, device]) == once


def test_whatever_more_holds_a_merge_keeps_it(sample: Report, device: Report) -> None:
    base = replace(sample, provenance=Provenance(more={"merged": 5}))
    assert merged_report(base, [device]).provenance.more["merged"][0] == 5


def test_what_speaks_against_the_other_is_kept(sample: Report, device: Report) -> None:
    assert sample.evaluation
    fault = DataFault("mislabelled", "warning", "3 pictures resemble another person", 3)
    tested = model.Tested(Side("engine"), Acquisition.of(10, {"a.png": "broken"}))
    other = replace(sample.evaluation, findings=(fault,), tested=(tested,))
    merged = merged_report(sample, [replace(device, evaluation=other)])
    assert merged.evaluation
    assert merged.evaluation.findings == (*sample.evaluation.findings, fault)
    assert merged.evaluation.tested == (*sample.evaluation.tested, tested)
    assert "engine: 1 of 10 pictures could not be used" in html_from_report(merged)


def test_gates_of_one_device_that_was_measured_thrice_are_told_apart(sample: Report) -> None:
    def measured(value: float) -> Report:
        gate = replace(sample.verdict.gates[0], value=value, passed=False)
        return replace(sample, verdict=Verdict.of([gate]))

    others = [measured(0.99), measured(0.98), measured(0.97), measured(0.98)]
    merged = merged_report(sample, others)
    names = [gate.name for gate in merged.verdict.gates]
    assert len(names) == len(set(names)) == len(sample.verdict.gates) + 3
    assert report_from_json(plain(merged)) == merged
    value = plain(merged)
    for gate in value["verdict"]["gates"]:  # as merges wrote them before
        del gate["measures"], gate["worst"]
    assert report_from_json(value) == merged


def test_a_stage_is_resolved_only_by_a_report_of_it(sample: Report, device: Report) -> None:
    with pytest.raises(EmbedgeError, match="none of the reports tells that the stage engines ran"):
        merged_report(sample, [sample], resolved=["engines"])
    told = merged_report(sample, [device], resolved=["engines"]).artifacts[-1]
    assert told.file.endswith(".plan")


@pytest.mark.parametrize("names", [("Orin", "Nano, 8"), ("kitchen", "kitchen, 2"), ("8", "9")])
def test_a_device_is_called_as_its_owner_likes(sample: Report, names: tuple[str, ...]) -> None:
    merged = sample
    for number, name in enumerate(names):
        gate = replace(sample.verdict.gates[0], value=0.9 - number / 10, passed=False)
        measured = replace(sample, latency=on_a_board(sample, name), verdict=Verdict.of([gate]))
        merged = merged_report(merged, [measured])
    assert report_from_json(plain(merged)) == merged


def test_the_report_of_the_bundle_comes_first(sample: Report, device: Report) -> None:
    with pytest.raises(EmbedgeError, match=r"E-REPORT-MERGE: the first report, .* of a device"):
        merged_report(device, [sample])
