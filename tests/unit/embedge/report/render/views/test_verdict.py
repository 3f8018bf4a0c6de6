"""The figures at the head of a report."""

from dataclasses import replace

import numpy as np
import pytest
from sample_report import sample_latency

from embedge.report.model import Provenance, Report, Verdict
from embedge.report.render.views.verdict import headline_view

SPEED = "One embedding, one thread"


def _timed(times: dict[str, float], default: str | None, why: str | None = None) -> Report:
    latency = sample_latency(np.random.default_rng(0))
    rows = {row.artifact: row for row in latency.artifacts if row.threads == 1}
    slow = [replace(row, threads=4, p50=0.1) for row in rows.values()]
    found = [replace(rows["fp32"], artifact=name, p50=ms) for name, ms in times.items()]
    latency = replace(latency, artifacts=(*slow, *found), verify_artifact=default, why=why)
    return Report(
        created="2026-01-01T00:00:00+00:00",
        title="a network",
        verdict=Verdict.of(()),
        latency=latency,
        provenance=Provenance(versions={}),
    )


def _speed(report: Report) -> tuple[str, str]:
    (card,) = [card for card in headline_view(report) if card["label"] == SPEED]
    return card["value"].replace("\N{NO-BREAK SPACE}", " "), card["note"]


def test_the_speed_told_is_that_of_what_a_device_runs() -> None:
    """Not the fastest one: that may not hold its gates, or need another runtime."""
    times = {"fp32": 1.48, "fp16": 1.31, "int8-cpu": 0.81, "int8-openvino": 0.5}
    assert _speed(_timed(times, "fp32")) == ("1.48 ms", "median, fp32")
    assert _speed(_timed(times, "int8-cpu")) == ("0.81 ms", "median, int8-cpu")


def test_it_says_why_that_is_the_default() -> None:
    told = _speed(_timed({"fp32": 1.4, "fp16": 1.38}, "fp32", "fp16 not faster than fp32"))
    assert told == ("1.40 ms", "median, fp32: fp16 not faster than fp32")


@pytest.mark.parametrize("default", [None, "of another machine"])
def test_where_the_default_was_not_timed_it_is_the_fastest(default: str | None) -> None:
    assert _speed(_timed({"fp32": 1.4, "fp16": 1.2}, default))[1] == "median, fp16"


def test_without_times_no_speed_is_told() -> None:
    report = replace(_timed({}, "fp32"), latency=None)
    assert SPEED not in [card["label"] for card in headline_view(report)]
    assert SPEED not in [card["label"] for card in headline_view(_timed({}, "fp32"))]
