"""Everybody has one role, every role has somebody, and judges stay whoever else is asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedge.calibration.people.splits import people_by_role, roles_of, split_subjects
from embedge.errors import EmbedgeError

LABELS = np.random.default_rng(0).integers(0, 41, 400)


@given(
    people=st.integers(3, 60),
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_everybody_has_one_role_and_every_role_has_somebody(
    people: int, shares: list[float], seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(people), 2))
    found = people_by_role(labels, seed, {str(n): share for n, share in enumerate(shares)})
    assert np.sum([*found.values()], axis=0).tolist() == [1] * len(labels)
    for mask in found.values():
        assert mask.any()
        assert not set(labels[mask]) & set(labels[~mask])


def test_roles_are_of_different_people_and_seeded() -> None:
    found = roles_of(LABELS, 5, choosing=True)
    sides = [set(LABELS[mask]) for mask in (found.judge, found.choose, found.threshold)]
    assert [len(side) for side in sides] == [20, 7, 14]
    assert sum(map(len, sides)) == len(set().union(*sides)) == 41
    np.testing.assert_array_equal(found.judge, roles_of(LABELS, 5, choosing=True).judge)
    assert (found.judge != roles_of(LABELS, 6, choosing=True).judge).any()


def test_who_judges_and_who_chooses_does_not_depend_on_what_else_is_done() -> None:
    plain, choosing = (roles_of(LABELS, 5, choosing=choosing) for choosing in (False, True))
    np.testing.assert_array_equal(plain.judge, choosing.judge)
    np.testing.assert_array_equal(plain.threshold, choosing.threshold | choosing.choose)
    assert not plain.choose.any()
    alone = roles_of(LABELS, 5, choosing=True, thresholds=False)
    np.testing.assert_array_equal(alone.choose, choosing.choose)
    np.testing.assert_array_equal(alone.judge, ~choosing.choose)


def test_two_sides_keep_people_apart() -> None:
    calibrate, test = split_subjects(LABELS, seed=5)
    assert (calibrate ^ test).all()
    assert not set(LABELS[calibrate]) & set(LABELS[test])
    assert len(set(LABELS[calibrate])) in (20, 21)


@pytest.mark.parametrize(("labels", "choosing"), [(["one", "one"], False), (["a", "b"], True)])
def test_fewer_people_than_roles_are_refused(labels: list[str], choosing: bool) -> None:
    with pytest.raises(EmbedgeError, match="E-SUBJECTS"):
        roles_of(labels, 0, choosing=choosing)
