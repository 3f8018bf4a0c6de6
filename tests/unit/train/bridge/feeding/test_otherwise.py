import numpy as np
import pytest

from embedge.train.bridge.feeding.otherwise import (
    CUT,
    MOVED,
    NEARER,
    SWAPPED,
    WAYS,
    cut_otherwise,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)


def test_a_crop_that_is_moved_shows_the_same_pixels_elsewhere() -> None:
    shown = CUT["cut farther right"](PICTURE)
    assert np.array_equal(shown[:, :-MOVED], PICTURE[:, MOVED:])
    assert (shown[:, -MOVED:] == PICTURE[:, -1:]).all(), "the edge goes on"
    shown = CUT["cut higher up"](PICTURE)
    assert np.array_equal(shown[MOVED:], PICTURE[:-MOVED])


@pytest.mark.parametrize(
    ("one", "other"),
    [("farther left", "farther right"), ("higher up", "lower down")],
)
def test_one_crop_makes_the_other_good(one: str, other: str) -> None:
    both = CUT[f"cut {other}"](CUT[f"cut {one}"](PICTURE))
    inside = slice(MOVED, -MOVED)
    assert np.array_equal(both[inside, inside], PICTURE[inside, inside])


def test_a_closer_crop_keeps_the_middle_and_enlarges_it() -> None:
    ramp = np.repeat(np.arange(112, dtype=np.uint8)[None, :, None], 112, axis=0).repeat(3, axis=2)
    closer, wider = (CUT[f"cut {way}"](ramp)[56, :, 0].astype(float) for way in ("closer", "wider"))
    middle = slice(40, 72)
    slopes = [np.polyfit(np.arange(112)[middle], row[middle], 1)[0] for row in (closer, wider)]
    assert slopes == pytest.approx([1 / NEARER, NEARER], rel=0.03)
    assert abs(closer[56] - 56) <= 1
    assert abs(wider[56] - 56) <= 1


def test_nothing_changed_is_the_picture_itself() -> None:
    assert np.array_equal(cut_otherwise()(PICTURE), PICTURE)
    assert np.array_equal(WAYS[SWAPPED](WAYS[SWAPPED](PICTURE)), PICTURE)
    assert set(WAYS) == {SWAPPED, *CUT}
