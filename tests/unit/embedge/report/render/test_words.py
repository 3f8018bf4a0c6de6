"""Numbers as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.report.render import words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.974, "97.4 %"),
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.00012, "0.012 %"),
        (None, "–"),
        (0.9996, "99.96 %"),
        (0.99999, "99.999 %"),
        (1 - 1e-9, "99.9999999 %"),
        (1e-7, "1e-05 %"),
    ],
)
def test_percent(value: float | None, said: str) -> None:
    assert words.percent(value).replace("\N{NO-BREAK SPACE}", " ") == said


@given(st.floats(1e-12, 1 - 1e-12), st.integers(0, 3))
def test_only_all_is_a_hundred_and_only_nothing_is_zero(share: float, digits: int) -> None:
    said = words.bare_percent(share, digits)
    assert 0 < float(said) < 100
    assert float(said) == pytest.approx(100 * share, rel=0.06)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "1.0000"), (0.9685, "0.9685"), (0.999996, "0.999996"), (1 - 4e-11, "1 − 4e-11")],
)
def test_a_cosine_is_one_only_if_it_is(value: float, said: str) -> None:
    assert words.cosine_text(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(99.9999, "99.9999 %"), (100.0, "100 %"), (94.884, "94.88 %"), (0, "0 %")]
)
def test_a_gate_in_percent_is_never_all_by_rounding(value: float, said: str) -> None:
    assert words.value_text(value, "%").replace("\N{NO-BREAK SPACE}", " ") == said


@pytest.mark.parametrize(
    ("count", "said"), [(1_196_640, "1.20 M"), (221_000_000, "221.0 M"), (999, "999"), (None, "–")]
)
def test_counts(count: float | None, said: str) -> None:
    assert words.count_text(count) == said


@pytest.mark.parametrize(
    ("count", "said"), [(4_812_331, "4.81 MB"), (12, "12 B"), (2e10, "20.0 GB")]
)
def test_bytes(count: float, said: str) -> None:
    assert words.byte_text(count) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.974, "share", "97.40 %"),
        (4.81, "ms", "4.81 ms"),
        (None, "ms", "not measured"),
        (0.99991, "", "0.9999"),
        (123456.0, "B", "123,456 B"),
        (0.48147, "points", "0.48 points"),
        (1.0, "points", "1 point"),
        (0.004, "points", "0.004 points"),
        (0.0, "points", "0 points"),
        (0.95, "", "0.9500"),
    ],
)
def test_gate_values(value: float | None, unit: str, said: str) -> None:
    assert words.value_text(value, unit).replace("\N{NO-BREAK SPACE}", " ") == said


def test_dates_are_read_or_shown_as_they_are() -> None:
    assert words.date_text("2026-03-02T14:03:00+00:00") == "2026-03-02 14:03 UTC"
    assert words.date_text("yesterday") == "yesterday"


def test_a_near_miss_is_not_written_as_its_bound_and_nothing_is_said_in_words() -> None:
    said = words.beside_text(0.0281234, 0.0281, "share").replace("\N{NO-BREAK SPACE}", " ")
    assert said == "2.812 %"
    assert words.beside_text(0.0281, 0.0281, "share") == words.value_text(0.0281, "share")
    assert words.bare_percent(3.9e-27) == "below 1e-10"
