"""The annex of groups: rates, the fewest people, a gap that is found and one that is not there."""

import numpy as np
import pytest
from paper_oracle import proportion
from two_models import unit

from embedge.calibration.differentials.annex import GroupAnnex, group_annex
from embedge.calibration.evaluation.slices import GroupLabels

RUNS = 100
ALIKE = 1.5


def people(
    count: int, each: int, *, alike: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, GroupLabels]:
    """Two groups; those of the second resemble each other, the more the greater `alike` is."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(2 * count), each)
    faces = np.repeat(random.normal(size=(2 * count, 12)), each, 0)
    faces[:, 0] += alike * (labels % 2)
    rows = unit(faces + 0.25 * random.normal(size=faces.shape))
    return rows, labels, GroupLabels({"kind": [("calm", "like")[n % 2] for n in labels]})


def test_every_figure_of_a_group() -> None:
    rows, labels, groups = people(20, 3)
    (annex,) = group_annex(rows, labels, groups, 0.8, 0.01)
    assert annex.fewest_people == 25
    for number, group in enumerate(annex.groups):
        mine = np.flatnonzero(labels % 2 == number)
        assert (group.people, group.pictures, group.needs_people) == (20, 60, 5)
        marks = [
            (int(labels[a]), float(rows[a].astype(float) @ rows[b].astype(float)) <= 0.8)
            for a in mine
            for b in mine
            if a < b and labels[a] == labels[b]
        ]
        assert (group.genuine, group.rejected) == (len(marks), sum(bad for _, bad in marks))
        assert group.fnmr is not None
        told = (group.fnmr.rate, group.fnmr.low, group.fnmr.high)
        assert told == pytest.approx(proportion(marks), abs=1e-12)


def test_a_threefold_gap_is_found_and_no_gap_is_not() -> None:
    found = sum(flagged(seed, ALIKE) for seed in range(RUNS))
    invented = sum(flagged(1000 + seed, 0.0) for seed in range(RUNS))
    assert found >= 95
    assert invented <= 5


def flagged(seed: int, alike: float) -> bool:
    annex = one_annex(seed, alike)
    fmr = next(ratio for ratio in annex.worst if ratio.rate == "fmr")
    return fmr.words is not None


def one_annex(seed: int, alike: float) -> GroupAnnex:
    (annex,) = group_annex(*people(150, 1, alike=alike, seed=seed), 0.62, 1e-2)
    return annex


def test_the_gap_of_that_test_is_threefold() -> None:
    rates = np.mean([[g.fmr.rate for g in one_annex(s, ALIKE).groups] for s in range(30)], 0)
    assert 2.5 <= rates[1] / rates[0] <= 3.5


def test_whoever_is_in_no_group_is_told_with_his_errors() -> None:
    rows, labels, _ = people(20, 3)
    left_out = GroupLabels({"kind": ["" if n < 10 else "ab"[n % 2] for n in labels]})
    (annex,) = group_annex(rows, labels, left_out, 0.9, 0.01)
    (whole,) = group_annex(rows, labels, GroupLabels({"kind": ["a"] * len(labels)}), 0.9, 0.01)
    assert whole.ungrouped is None
    assert annex.ungrouped is not None
    told, every = annex.ungrouped, whole.groups[0].rejected
    assert (told.people, told.pictures, told.of_rejected) == (10, 30, every)
    assert told.rejected == every - sum(group.rejected for group in annex.groups) > 0


def test_groups_that_cannot_be_compared_name_no_worst() -> None:
    rows, labels, _ = people(5, 2)
    (annex,) = group_annex(rows, labels, GroupLabels({"kind": ["one"] * len(labels)}), 0.5, 0.01)
    assert [ratio.words for ratio in annex.worst] == [None, None]
