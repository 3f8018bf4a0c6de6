"""Words that forbid commercial use are read as such."""

import pytest

from embedge.report.gate.licence import licence_checks, non_commercial
from embedge.report.model import Provenance


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC BY-NC-SA 4.0", True),
        ("Non Commercial use", True),
        ("for research purposes", True),
        ("academic use only", True),
        ("MIT", False),
        ("NCSA", False),
        ("Apache-2.0 (commercial use allowed)", False),
    ],
)
def test_reading_of_licences(licence: str, expected: bool) -> None:
    assert non_commercial(licence) is expected


@pytest.mark.parametrize("nothing", ["", " ", "unknown", "None", "N/A", "no  licence", "-", "TBD."])
def test_a_word_for_nothing_states_no_licence(nothing: str) -> None:
    given = Provenance(weight_licence=nothing, data_licence=nothing)
    found = licence_checks(given, [], required=("weights", "data"))
    assert [fine for _, fine, _ in found] == [False, False]
    assert "states no licence; --licence" in found[0][2]
    assert "--data-licence" in found[1][2]


@pytest.mark.parametrize("typed", ["cc by-nc 4.0", "CC_BY-NC 4.0", "CC\u2011BY\u2013NC 4.0 "])
def test_a_licence_is_the_same_however_it_is_typed(typed: str) -> None:
    given = Provenance(weight_licence=typed)
    assert not licence_checks(given, [], required=())[0][1]
    assert licence_checks(given, ["CC-BY-NC-4.0"], required=())[0][1]
