"""What held because nothing could have missed it is told beside the verdict."""

from typing import Any

from sample_report import edited

from embedge.report.model import Report
from embedge.report.render.views.verdict import verdict_view


def test_a_gate_that_cannot_fail_is_a_reservation(sample: Report) -> None:
    def lower(value: Any) -> None:
        value["provenance"]["recipe"]["evaluate"]["gates"]["cross_space_tar"] = 0.0
        value["verdict"]["gates"][-1].update(bound=0.0)  # no re-enrolment, at least 0 %

    assert verdict_view(sample)["kind"] == "passed"
    seen = verdict_view(edited(sample, lower))
    assert seen["kind"] == "reserved"
    assert any("'no re-enrolment' cannot fail" in told for told in seen["against"])


def test_an_interval_that_reaches_guessing_is_a_reservation(sample: Report) -> None:
    def widen(value: Any) -> None:
        value["evaluation"]["comparisons"][0]["eer"]["high"] = 0.5

    seen = verdict_view(edited(sample, widen))
    assert seen["kind"] == "reserved"
    assert any("which is guessing" in told for told in seen["against"])
