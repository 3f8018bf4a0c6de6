"""What a certificate's figures do when the truth is known, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from two_models import FMR, measured, seen, unit

from embedge.calibration.compatibility.measure import NewArtifact, compatibility
from embedge.calibration.compatibility.people_needed import (
    people_for_fnmr,
    require_people,
)
from embedge.calibration.compatibility.shares import difference
from embedge.calibration.compatibility.systems import People
from embedge.calibration.evaluation.figures import Rate, Side
from embedge.calibration.evaluation.judge import Subject
from embedge.calibration.rates import people_for
from embedge.errors import EmbedgeError
from embedge.runtime.contract import EmbeddingContract
from embedge.typed import Mistakes, plain, structured


def test_a_model_that_is_the_old_one_replaces_it_without_a_flip() -> None:
    old, _, people = seen()
    paragon, one = measured((old, old, people))
    assert one.cross.tar.rate == one.alone.tar.rate == paragon.tar.rate
    assert one.backward.flips.negative == one.backward.flips.people_losing == 0
    assert one.backward.difference.value == 0
    assert not one.backward.above
    # nobody was lost among 30 people: that leaves room for some, by the rule of three
    assert one.backward.difference.low < -0.05
    assert one.update_gain is None


def test_a_foreign_head_collapses_in_the_cross_test_and_nowhere_else() -> None:
    old, new, people = seen(new=0.1)
    turned = np.linalg.qr(np.random.default_rng(5).normal(size=(16, 16)))[0]
    _, one = measured((old, unit(new @ turned), people))
    assert one.alone.tar.rate > 0.7
    assert one.cross.tar.rate < 0.3
    assert one.asymmetric.difference.high < 0


def test_a_better_gallery_than_the_students_own_is_above_it() -> None:
    _, one = measured(seen(people=200, old=0.8, new=0.9))
    assert one.asymmetric.above
    assert 0 < one.update_gain < 1
    assert one.paragon_gap.value > 0


def test_the_backfill_curve_begins_with_the_cross_test_and_ends_with_the_new_model() -> None:
    _, one = measured(seen())
    first, last = one.backfill[0], one.backfill[-1]
    assert (first.people, last.people) == (0, 30)
    assert first.tar == one.cross.tar
    assert first.fmr == one.cross.fmr.rate
    assert last.tar.rate == pytest.approx(one.alone.tar.rate)
    assert last.fmr == pytest.approx(one.alone.fmr.rate)
    assert [point.people for point in one.backfill] == sorted(p.people for p in one.backfill)


def test_people_who_set_a_threshold_are_not_judged_by_it() -> None:
    _, _, people = seen()
    with pytest.raises(EmbedgeError, match="E-THRESHOLD-PEOPLE: 1 people"):
        replace(people, judged=people.judged | (people.labels == 3))


def test_spaces_that_differ_are_refused() -> None:
    old, new, people = seen()
    spaces = [EmbeddingContract(space=name, model="m", dim=16) for name in ("one", "two")]
    subjects = [
        Subject(Side(name), rows, contract)
        for name, rows, contract in zip(("teacher", "door"), (old, new), spaces)
    ]
    artifact = NewArtifact(subjects[1], "b" * 64, "fp32")
    with pytest.raises(EmbedgeError, match="E-SPACE"):
        compatibility(subjects[0], "a" * 64, [artifact], people, FMR)


@pytest.mark.parametrize(("people", "each"), [(2, 300), (10, 40), (20, 3)])
def test_however_many_pictures_too_few_people_are_refused(people: int, each: int) -> None:
    with pytest.raises(EmbedgeError, match=r"E-FEW-PEOPLE: .* more"):
        measured(seen(people=people, each=each))


def test_people_without_a_second_picture_cannot_be_judged() -> None:
    found = seen(each=3)
    rows, labels = found[0], found[2].labels
    kept = (labels < 30) | (np.arange(len(labels)) % 3 == 0)
    few = People(labels[kept], labels[kept] < 30, labels[kept] >= 30, "made up")
    with pytest.raises(EmbedgeError, match="E-FEW-PEOPLE: none of those to be judged"):
        measured((rows[kept], rows[kept], few))


def test_how_many_people_it_takes() -> None:
    assert people_for(1e-4) == 246
    assert people_for(1 / 50_000) == 548
    assert people_for_fnmr(0.1) == 29
    require_people(246, 1e-4, "be judged")
    with pytest.raises(EmbedgeError, match="which takes 246: 1 more"):
        require_people(245, 1e-4, "be judged")


def test_a_difference_stays_open_when_nothing_turned_yet() -> None:
    nothing = Rate(0.0, 0.0, 0.1)
    found = difference(nothing, nothing)
    assert (found.low, found.value, found.high) == (-0.1, 0.0, 0.1)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        (("cross", "tar", "rate"), "counts say"),
        (("alone", "accepted"), "counts say"),
        (("asymmetric", "difference", "value"), "contradict"),
        (("asymmetric", "flips", "negative"), "counts say"),
        (("asymmetric", "above"), "not what it says"),
        (("paragon_gap", "value"), "gap to the paragon"),
    ],
)
def test_an_edited_figure_contradicts_the_others(where: tuple[str, ...], what: str) -> None:
    _, one = measured(seen())
    value = plain(one)
    inside = value
    for name in where[:-1]:
        inside = inside[name]
    old = inside[where[-1]]
    inside[where[-1]] = (
        (not old)
        if isinstance(old, bool)
        else old + (1 if where[-1] in ("accepted", "negative") else 0.005)
    )
    with pytest.raises(Mistakes, match=what):
        structured(type(one), value)
