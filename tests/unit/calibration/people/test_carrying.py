"""What people can show at best, against the binomial itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.calibration.people.carrying import carries, people_to_reach, strictest_carried
from embedge.calibration.rates import people_for


@given(fmr=st.floats(1e-7, 0.5))
def test_one_person_less_would_not_do(fmr: float) -> None:
    people = people_for(fmr)
    assert carries(people, fmr)
    assert people == 2 or not carries(people - 1, fmr)
    # no error among independent trials at that rate is less likely than one in twenty
    assert (1 - fmr) ** (people * (people - 1) / 2) <= 0.05 * (1 + 1e-9)


@pytest.mark.parametrize(("fmr", "people"), [(1e-2, 25), (1e-3, 78), (1e-4, 246)])
def test_what_common_rates_take(fmr: float, people: int) -> None:
    assert people_for(fmr) == people


def test_the_strictest_of_several() -> None:
    assert strictest_carried(60, (1e-1, 1e-2, 1e-3)) == 1e-2
    assert strictest_carried(2, (1e-1, 1e-2)) is None
    assert not carries(1, 0.5)


@given(st.floats(1e-3, 0.5), st.integers(2, 400), st.floats(1.0, 20.0))
def test_with_the_people_it_takes_the_reach_fits(room: float, people: int, times: float) -> None:
    """What is left over people who do not err shrinks with their number, the rest with its root."""
    alone = -math.log(0.025)
    reach = times * alone / people
    needs = people_to_reach(room, reach, people)
    spread = (times - 1) * alone / people * math.sqrt(people)
    if needs > people + 1:
        assert alone / needs + spread / math.sqrt(needs) <= room * (1 + 1e-9)
        assert alone / (needs - 1) + spread / math.sqrt(needs - 1) > room * (1 - 1e-9)


def test_a_hundredth_takes_369_people_in_whom_nothing_turned() -> None:
    assert people_to_reach(0.01, 1 - 0.025 ** (1 / 60), 60) == 369
    assert people_to_reach(0.0, 0.1, 60) is None
    assert people_to_reach(-0.1, 0.1, 60) is None
