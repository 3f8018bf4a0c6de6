"""Every rate is that of its counts, and no interval is narrower than the people behind it."""

from copy import deepcopy
from typing import Any

import pytest

from embedge.errors import EmbedgeError
from embedge.report.model import Report
from embedge.report.read import report_from_json
from embedge.typed import plain


@pytest.fixture(scope="module")
def value(sample: Report) -> Any:
    written = plain(sample)
    assert written["evaluation"]["comparisons"][0]["tar"][0]["tar"] is not None
    return written


def refused(value: Any, said: str, place: tuple[str | int, ...], *edits: Any) -> None:
    """Every edit of this leaf of the first comparison is."""
    edited = deepcopy(value)
    found = edited["evaluation"]["comparisons"][0]
    for key in place[:-1]:
        found = found[key]
    for edit in edits:
        found[place[-1]] = edit
        with pytest.raises(EmbedgeError, match=said):
            report_from_json(edited)


def test_another_rate_asked_for_is_refused_however_the_row_is_edited(value: Any) -> None:
    refused(value, "more than that", ("tar", 0, "fmr"), 1e-6, 0.0099, 0.0011)
    refused(value, "a looser threshold of its DET curve keeps it", ("tar", 0, "fmr"), 0.02)
    alone = deepcopy(value)
    rows = alone["evaluation"]["comparisons"][0]["tar"]
    del rows[1:]
    rows[0]["fmr"] = 1e-6
    with pytest.raises(EmbedgeError, match=r"90 people and .* comparisons do not carry it"):
        report_from_json(alone)


def test_rates_are_those_of_their_counts_to_the_last_error(value: Any) -> None:
    row = value["evaluation"]["comparisons"][0]["tar"][0]
    for leaf in ("false_matches", "false_non_matches"):
        refused(value, "are not the", ("tar", 0, leaf), row[leaf] + 1, 0)
        refused(value, "told without its errors", ("tar", 0, leaf), None)
    refused(value, "are not the TAR", ("tar", 0, "tar"), row["tar"] - 1e-6)
    refused(value, "no counts of its comparisons", ("det", "fnmr", 50), 1e-6)


def test_an_interval_narrower_than_its_people_allow_is_refused(value: Any) -> None:
    row = value["evaluation"]["comparisons"][0]["tar"][0]
    refused(value, "narrower than its people", ("tar", 0, "low"), row["tar"] - 1e-4)
    refused(value, "narrower than its", ("tar", 0, "high"), row["tar"] + 1e-5)
    rate = row["measured"]["rate"]
    refused(value, "narrower than its people", ("tar", 0, "measured", "high"), rate + 1e-5)
    refused(value, "narrower than its people", ("tar", 0, "measured", "low"), rate - 1e-6)
    eer = value["evaluation"]["comparisons"][0]["eer"]
    refused(value, "narrower than its people", ("eer", "high"), eer["rate"] + 1e-6)


def test_an_interval_of_a_threshold_set_beforehand_is_the_band_of_the_curve(value: Any) -> None:
    number = next(
        n for n, one in enumerate(value["evaluation"]["comparisons"]) if one["at_threshold"]
    )
    edited = deepcopy(value)
    fnmr = edited["evaluation"]["comparisons"][number]["at_threshold"]["fnmr"]
    fnmr["high"] = (fnmr["high"] + fnmr["rate"]) / 2
    with pytest.raises(EmbedgeError, match="the high end of its FNMR"):
        report_from_json(edited)


def test_people_that_a_rate_takes_are_those_of_the_rule(value: Any) -> None:
    rows = value["evaluation"]["comparisons"][0]["tar"]
    lacking = next(n for n, row in enumerate(rows) if row["tar"] is None)
    refused(value, "it takes .* people", ("tar", lacking, "needs"), 0, 2)
    refused(value, "there are 90 people", ("tar", lacking, "have"), 3000, 0, None)
    refused(value, "is asked for", ("tar", lacking, "fmr"), 0.0)


def test_pictures_people_and_comparisons_are_one_arithmetic(value: Any) -> None:
    refused(value, "pictures", ("images",), 10_800, 1079)
    refused(value, "people", ("subjects",), 0, 1081)
    refused(value, "not evenly from -1 to 1", ("histogram", "edges", 64), 0.001)
