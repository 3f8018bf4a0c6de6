"""What people can show at best, against the binomial itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.calibration.people.carrying import carries, strictest_carried
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
