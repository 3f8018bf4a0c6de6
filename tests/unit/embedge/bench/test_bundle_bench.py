"""The whole bench on a tiny bundle: every scenario is there, and it becomes a report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import face_like, tiny_bundle

from embedge.bench import SCENARIOS
from embedge.bench.bundle_bench import BenchOptions, bundle_latency
from embedge.bench.results import Latency
from embedge.report.device import device_report
from embedge.report.merge import merged_report
from embedge.report.render.html import html_from_report
from embedge.runtime.bundle.bundle import Bundle
from embedge.runtime.encoders.ort import OrtEncoder
from embedge.typed import plain, structured


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bench") / "tiny.embedge")


@pytest.fixture(scope="module")
def section(bundle: Path) -> dict[str, Any]:
    crops = np.stack([face_like(seed) for seed in range(3)])
    with Bundle.open(bundle) as opened:
        template = opened.contract.template
        model = opened.read("student.fp32.onnx")
    plan = BenchOptions(
        artifacts=("fp32",),
        threads=(1, 2),
        scenarios=SCENARIOS,
        batches=(1, 2, 4),
        streams=(2,),
        loads=(0.5,),
        seconds=0.1,
        sustained_seconds=0.3,
    )
    found = bundle_latency(
        bundle,
        plan,
        lambda _, threads: OrtEncoder(model, threads=threads),
        crops=crops,
        queries=[((crops[0], template), (crops[1], template))],
    )
    return plain(found)


def test_every_scenario_ran_for_every_thread_count(section: dict[str, Any]) -> None:
    seen = {(row["scenario"], row["threads"]) for row in section["scenarios"]}
    assert seen == {(name, threads) for name in SCENARIOS[1:] for threads in (1, 2)}
    assert [row["threads"] for row in section["artifacts"]] == [1, 2]
    batches = [row["batch"] for row in section["scenarios"] if row["scenario"] == "offline"]
    assert batches == [1, 2, 4, 1, 2, 4]
    for row in section["scenarios"]:
        assert row["provider"] == "CPUExecutionProvider"
        assert row["images_per_s"] > 0


def test_it_becomes_a_report_that_can_be_merged(bundle: Path, section: dict[str, Any]) -> None:
    latency = structured(Latency, plain(section))
    with Bundle.open(bundle) as opened:
        report = device_report(opened, ["fp32"], latency)
    page = html_from_report(report)
    assert "Throughput over batch size" in page
    assert "callers at once" in page
    merged = merged_report(report, [report])
    assert len(merged.devices) == 1
