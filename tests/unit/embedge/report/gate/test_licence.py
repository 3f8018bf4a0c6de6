"""Words that forbid commercial use are read as such."""

import pytest

from embedge.report.gate.licence import non_commercial


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
