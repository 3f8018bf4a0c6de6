"""Reports of devices join the bundle's report, when they speak of the same bundle."""

import copy
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.report.merge import merged_report
from embedge.report.render.html import html_from_report
from embedge.report.validate import validated


@pytest.fixture
def device(sample: dict[str, Any]) -> dict[str, Any]:
    """What a board that built an engine would send back."""
    engine = copy.deepcopy(sample["artifacts"][2])
    engine.update(name="int8-engine", file="engines/int8.plan", sha256="e" * 64)
    latency = copy.deepcopy(sample["latency"])
    latency["machine"]["name"] = "Orin Nano"
    gate = {**sample["verdict"]["gates"][5], "value": 31.0, "passed": False}
    return {
        "schema": sample["schema"],
        "created": "2026-03-03T08:00:00+00:00",
        "title": "Engines on the board",
        "verdict": {"passed": False, "gates": [gate]},
        "space": sample["space"],
        "artifacts": [sample["artifacts"][0], engine],
        "skipped": [{"stage": "worst", "reason": "no pictures on the board"}],
        "latency": latency,
        "provenance": {},
    }


def test_everything_the_device_found_is_there(
    sample: dict[str, Any], device: dict[str, Any]
) -> None:
    before = copy.deepcopy(sample)
    merged = validated(merged_report(sample, [device], resolved=["engines"]))
    assert sample == before
    names = [artifact["name"] for artifact in merged["artifacts"]]
    assert names == ["fp32", "fp16", "int8-cpu", "int8-engine"]
    assert [one["device"] for one in merged["devices"]] == ["Orin Nano"]
    assert [item["stage"] for item in merged["skipped"]] == ["worst"]
    assert "(Orin Nano)" in merged["skipped"][0]["reason"]
    assert merged["provenance"]["merged"][0]["title"] == "Engines on the board"


def test_a_device_that_fails_fails_the_whole(
    sample: dict[str, Any], device: dict[str, Any]
) -> None:
    merged = merged_report(sample, [device])
    assert not merged["verdict"]["passed"]
    assert merged["verdict"]["gates"][-1]["name"] == "latency (Orin Nano)"
    page = html_from_report(merged)
    assert "How fast is it on Orin Nano?" in page
    assert page.count('id="latency"') == 1


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda r: r["space"].update(contract_digest="0" * 64), "contracts differ"),
        (lambda r: r.pop("space"), "contracts differ"),
        (lambda r: r["artifacts"][0].update(sha256="0" * 64), "another file"),
        (
            lambda r: r.update(
                evaluation={
                    "dataset": {"name": "d", "fingerprint": "f", "identities": 1, "images": 1},
                    "comparisons": [],
                }
            ),
            "other data",
        ),
    ],
)
def test_strangers_are_refused(
    sample: dict[str, Any], device: dict[str, Any], spoil: Any, complaint: str
) -> None:
    other = copy.deepcopy(device)
    spoil(other)
    with pytest.raises(EmbedgeError, match=complaint):
        merged_report(sample, [other])


def test_merging_twice_keeps_both_devices(sample: dict[str, Any], device: dict[str, Any]) -> None:
    other = copy.deepcopy(device)
    other["latency"]["machine"]["name"] = "Nano"
    merged = merged_report(merged_report(sample, [device]), [other])
    assert [one["device"] for one in merged["devices"]] == ["Orin Nano", "Nano"]
