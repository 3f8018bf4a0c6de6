from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_galleries import NEW, OLD, bridge, carried, rows, threshold

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.gallery.mending import check
from embedge.runtime.gallery.migration.going import forget, go_back, migrate
from embedge.runtime.gallery.migration.replacing import replace_bridged
from embedge.runtime.gallery.migration.standing import standing
from embedge.runtime.policy import NIST_800_63B

KEY = bytes(range(32))
ANN = rows(1, 2)
LIMIT = threshold(0.6)


def near(row: np.ndarray, cosine: float, seed: int = 3) -> np.ndarray:
    away = rows(seed, 1, len(row))[0]
    away -= (away @ row) * row
    return (cosine * row + np.sqrt(1 - cosine**2) * away / np.linalg.norm(away)).astype(np.float32)


@pytest.fixture(params=["float32", "int8"])
def gallery(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "g", OLD, key=KEY, rows=request.param) as gallery:
        gallery.enroll("ann", ANN, OLD)
        gallery.enroll("ben", rows(2, 1), OLD)
        migrate(gallery, bridge(), NEW)
        yield gallery
    assert check(tmp_path / "g", KEY) == []


def test_the_bridge_alone_replaces_nothing(gallery: Gallery) -> None:
    visit = near(carried(ANN)[1], 0.8)
    assert not replace_bridged(gallery, "ann", visit, NEW, native=LIMIT)
    assert gallery.info().bridged == 3
    assert not replace_bridged(gallery, "nobody", visit, NEW, native=LIMIT, other_factor=True)


def test_another_factor_replaces_the_nearest_one_if_the_face_is_accepted_too(
    gallery: Gallery,
) -> None:
    known = carried(ANN)
    stranger = near(known[1], 0.4)
    assert not replace_bridged(gallery, "ann", stranger, NEW, native=LIMIT, other_factor=True)
    visit = near(known[1], 0.8)
    assert replace_bridged(gallery, "ann", visit, NEW, native=LIMIT, other_factor=True)
    assert gallery.info().bridged == 2
    assert len(gallery) == 3
    assert standing(gallery).bridged == ("ben",)
    ((best, *_),) = gallery.identify(visit, NEW)
    assert (best.person, best.bridged) == ("ann", False)
    assert best.cosine > 0.98
    ((best, *_),) = gallery.identify(known[0], NEW)
    assert (best.person, best.bridged) == ("ann", True)
    # from now on the native one vouches for her
    second = known[0] + visit
    second /= np.linalg.norm(second)
    assert replace_bridged(gallery, "ann", second, NEW, native=LIMIT)
    assert gallery.info().bridged == 1
    assert not replace_bridged(gallery, "ann", second, NEW, native=LIMIT, other_factor=True)


def test_one_picture_shown_again_takes_no_other_templates_place(gallery: Gallery) -> None:
    known = carried(ANN)
    visit = known.sum(0) / np.linalg.norm(known.sum(0))
    assert replace_bridged(gallery, "ann", visit, NEW, native=LIMIT, other_factor=True)
    for again in (visit, near(visit, 0.97)):
        assert (known @ again).min() > 0.5, "the bridged one left would accept it"
        assert not replace_bridged(gallery, "ann", again, NEW, native=LIMIT, other_factor=True)
    assert gallery.info().bridged == 2


def test_a_template_that_the_visit_does_not_resemble_stays(gallery: Gallery) -> None:
    known = carried(ANN)
    visit = near(known[1], 0.9)
    assert replace_bridged(gallery, "ann", visit, NEW, native=LIMIT, other_factor=True)
    away = known[0] - (known[0] @ visit) * visit
    second = 0.8 * visit - 0.6 * away / np.linalg.norm(away)
    assert second @ visit > LIMIT.value > 0.5 > second @ known[0]
    assert not replace_bridged(gallery, "ann", second, NEW, native=LIMIT, other_factor=True)
    assert gallery.info().bridged == 2


def test_a_policy_may_forbid_it(gallery: Gallery) -> None:
    visit = near(carried(ANN)[0], 0.9)
    never, factor = (replace(NIST_800_63B, replaces=how) for how in ("never", "other factor"))
    ask = (gallery, "ann", visit, NEW)
    assert not replace_bridged(*ask, native=LIMIT, other_factor=True, policy=never)
    assert replace_bridged(*ask, native=LIMIT, other_factor=True, policy=factor)
    assert not replace_bridged(*ask, native=LIMIT, policy=factor)


def test_old_templates_stay_and_when_all_are_native_nothing_is_left_of_the_bridge(
    gallery: Gallery,
) -> None:
    for name, templates in (("ann", ANN), ("ben", rows(2, 1))):
        for row in carried(templates):
            ask = (gallery, name, near(row, 0.9), NEW)
            assert replace_bridged(*ask, native=LIMIT, other_factor=True)
    assert gallery.info().bridged == 0
    go_back(gallery)
    ((best, *_),) = gallery.identify(ANN[:1], OLD)
    assert best.cosine > 0.98
    migrate(gallery, bridge(), NEW)
    assert gallery.info().bridged == 0
    forget(gallery)
    assert gallery.crossing() is None
    ((best, *_),) = gallery.identify(near(carried(ANN)[0], 0.9), NEW)
    assert (best.person, best.bridged) == ("ann", False)


def test_after_the_old_ones_are_erased_it_goes_on(gallery: Gallery) -> None:
    forget(gallery)
    visit = near(carried(ANN)[0], 0.9)
    assert replace_bridged(gallery, "ann", visit, NEW, native=LIMIT, other_factor=True)
    assert gallery.info().bridged == 2
    ((best, *_),) = gallery.identify(visit, NEW)
    assert (best.person, best.bridged) == ("ann", False)


def test_uncertain_people_are_named(tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "g", OLD, key=KEY) as gallery:
        people = rows(7, 40)
        gallery.enroll([f"p{n:02}" for n in range(40)], people, OLD)
        expected = bridge().bridged(people).expected
        limit = float(np.median(expected))
        migrate(gallery, bridge(), NEW, limit=limit)
        told = standing(gallery)
        wanted = [f"p{n:02}" for n in np.flatnonzero(expected <= limit)]
        assert list(told.enrol_again) == wanted
        assert len(told.bridged) == 40
        gallery.enroll(wanted[0], rows(8, 1, NEW.dim), NEW)
        assert list(standing(gallery).enrol_again) == wanted[1:]


@pytest.mark.parametrize(
    ("given", "code"),
    [({"native": 0.5}, "E-OPTION"), ({"policy": None}, "E-OPTION"), ({"rows": 2}, "E-EMBEDDING")],
)
def test_what_cannot_judge_a_visit_is_refused(
    tmp_path: Path, given: dict[str, Any], code: str
) -> None:
    with Gallery.create(tmp_path / "g", OLD, key=None, unencrypted=True) as gallery:
        gallery.enroll("ann", rows(1, 1), OLD)
        migrate(gallery, bridge(), NEW)
        visit = rows(5, given.pop("rows", 1), NEW.dim)
        judged = {"native": threshold(), **given}
        with pytest.raises(EmbedgeError, match=code):
            replace_bridged(gallery, "ann", visit, NEW, **judged)
