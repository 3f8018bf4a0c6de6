"""A device's report says which bundle it measured, and whose space that bundle speaks."""

from dataclasses import replace
from pathlib import Path

from tiny_bundles import tiny_bundle

from embedge.report.device import device_report
from embedge.report.model import Report, Space
from embedge.report.read import report_from_json
from embedge.runtime.bundle.bundle import Bundle
from embedge.typed import plain


def test_it_carries_the_bundle_s_facts(tmp_path: Path, sample: Report) -> None:
    assert sample.latency
    latency = replace(sample.latency, placement={"fp32": {"CPU": {"Conv": 1}}})
    with Bundle.open(tiny_bundle(tmp_path / "tiny.embedge")) as bundle:
        report = device_report(bundle, ["fp32", "raw"], latency)
        contract = bundle.contract
        stated = bundle.stated("student.fp32.onnx")["sha256"]
    assert report_from_json(plain(report)) == report
    assert report.title == "tiny on Cortex-A76"
    assert report.space == Space(contract.space, "unknown", contract.digest)
    fp32, raw = report.artifacts
    assert fp32.placement == {"CPU": {"Conv": 1}}
    assert (raw.threshold, raw.placement, raw.sha256) == (None, None, stated)
    assert fp32.threshold is not None
