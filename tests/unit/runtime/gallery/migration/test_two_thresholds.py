"""Each template decides at its own threshold: the model's, or that of the bridge it came over."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_galleries import NEW, OLD, bridge, rows, threshold

from embedge.errors import EmbedgeError
from embedge.runtime import Gallery
from embedge.runtime.bridge.bridge import Bridge
from embedge.runtime.gallery.migration.going import migrate
from embedge.runtime.identification import Identification, identify_row
from embedge.runtime.policy import NIST_800_63B, identification_rate
from embedge.runtime.threshold import Threshold


@dataclass
class Matcher:
    """Nothing but what a decision asks of one."""

    native: float
    contract = NEW

    def thresholds(self) -> tuple[Threshold, ...]:
        return (threshold(self.native), threshold(self.native + 0.1, 1e-6))

    def decidable(self, asked: Threshold | None) -> Threshold:
        return asked or self.thresholds()[0]


def matching(native: float) -> Any:
    return Matcher(native)


def toward(*parts: tuple[float, np.ndarray]) -> np.ndarray:
    """A row with these cosines to some rows that stand at right angles."""
    row = sum(cosine * other for cosine, other in parts)
    rest = rows(99, 1, NEW.dim)[0]
    for _, other in parts:
        rest = rest - (rest @ other) * other
    left = 1 - sum(cosine**2 for cosine, _ in parts)
    return (row + np.sqrt(left) * rest / np.linalg.norm(rest)).astype(np.float32)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """ann is bridged, ben is native, and they are at right angles."""
    with Gallery.create(tmp_path / "g", OLD, key=None, unencrypted=True) as gallery:
        gallery.enroll("ann", rows(1, 1), OLD)
        yield gallery


def carried(gallery: Gallery, over: Bridge) -> tuple[np.ndarray, np.ndarray]:
    migrate(gallery, over, NEW)
    ann = over.apply(rows(1, 1))[0]
    ben = rows(2, 1, NEW.dim)[0]
    ben -= (ben @ ann) * ann
    ben /= np.linalg.norm(ben)
    gallery.enroll("ben", ben, NEW)
    return ann, ben


@pytest.mark.parametrize(
    ("native", "across", "cosines", "who"),
    [
        (0.4, 0.5, (0.55, 0.3), "ann"),
        (0.4, 0.5, (0.45, 0.3), None),  # above the native threshold, and not above its own
        (0.4, 0.5, (0.47, 0.42), "ben"),  # less like, but farther above the own threshold
        (0.4, 0.5, (0.3, 0.45), "ben"),
        (0.6, 0.5, (0.55, 0.58), "ann"),
        (0.6, 0.5, (0.4, 0.58), None),
    ],
)
def test_who_it_is(
    gallery: Gallery, native: float, across: float, cosines: tuple[float, float], who: str | None
) -> None:
    ann, ben = carried(gallery, bridge().with_threshold(threshold(across)))
    row = toward((cosines[0], ann), (cosines[1], ben))
    found = identify_row(matching(native), gallery, row)
    assert found.person == who
    assert found.by_bridge == (who == "ann")
    best = found.candidates[0]
    assert found.threshold.value == (across if best.bridged else native)
    assert found.fpir == pytest.approx(identification_rate(1e-4, 2))


def test_before_a_migration_there_is_one_threshold(gallery: Gallery) -> None:
    matcher = matching(0.4)
    matcher.contract = OLD
    found = identify_row(matcher, gallery, rows(1, 1)[0])
    assert (found.person, found.by_bridge, found.threshold.value) == ("ann", False, 0.4)


def test_a_policy_holds_for_both_kinds(gallery: Gallery) -> None:
    strict = threshold(0.7, 1e-6)
    ann, _ = carried(gallery, bridge().with_threshold(threshold(0.5), [strict]))
    tight = replace(NIST_800_63B, max_fpir=1e-4)
    found = identify_row(matching(0.4), gallery, toward((0.6, ann)), policy=tight)
    assert (found.person, found.threshold.value) == (None, 0.7)
    assert identify_row(matching(0.4), gallery, toward((0.8, ann)), policy=tight).person == "ann"


def test_a_bridge_without_a_threshold_strict_enough_is_refused(gallery: Gallery) -> None:
    ann, _ = carried(gallery, bridge())
    tight = replace(NIST_800_63B, max_fpir=1e-4)
    with pytest.raises(EmbedgeError, match="E-OPERATING-POINT"):
        identify_row(matching(0.4), gallery, ann, policy=tight)


def test_a_number_of_ones_own_is_at_most_stricter_for_bridged_templates(gallery: Gallery) -> None:
    ann, ben = carried(gallery, bridge().with_threshold(threshold(0.5)))
    loose, tight = Threshold.by_hand(0.2), Threshold.by_hand(0.7)

    def found(row: np.ndarray, asked: Threshold) -> Identification:
        return identify_row(matching(0.4), gallery, row, threshold=asked)

    assert found(toward((0.3, ben)), loose).person == "ben"
    assert found(toward((0.3, ann)), loose).person is None
    assert found(toward((0.3, ann)), loose).threshold.value == 0.5
    assert found(toward((0.6, ann)), loose).person == "ann"
    assert found(toward((0.6, ann)), loose).fpir == pytest.approx(1.0)
    assert found(toward((0.6, ann)), tight).person is None
    assert found(toward((0.8, ann)), tight).threshold == tight


def test_of_a_rate_asked_for_the_bridge_proves_as_low_a_one(gallery: Gallery) -> None:
    ann, ben = carried(gallery, bridge().with_threshold(threshold(0.5), [threshold(0.65, 1e-6)]))
    row, asked = toward((0.6, ann)), threshold(0.55, 1e-6)
    assert identify_row(matching(0.4), gallery, row, threshold=threshold(0.4)).person == "ann"
    told = identify_row(matching(0.4), gallery, row, threshold=asked)
    assert (told.person, told.threshold.value) == (None, 0.65)
    row = toward((0.6, ben))
    assert identify_row(matching(0.4), gallery, row, threshold=asked).person == "ben"


def test_a_rate_that_the_bridge_does_not_prove_is_refused(gallery: Gallery) -> None:
    ann, _ = carried(gallery, bridge())
    with pytest.raises(EmbedgeError, match="E-OPERATING-POINT"):
        identify_row(matching(0.4), gallery, ann, threshold=threshold(0.55, 1e-6))


def test_the_rate_asked_for_binds_the_bridge_not_what_the_models_threshold_was_made_for(
    gallery: Gallery,
) -> None:
    """The model's threshold, made for 1e-3, is proven for 4e-4: it was asked for 5e-4."""
    points = threshold(0.45, 4.5e-4), threshold(0.55, 1e-5)
    ann, _ = carried(gallery, bridge().with_threshold(threshold(0.35, 9e-4), points))
    asked, row = replace(threshold(0.3, 4e-4), fmr_target=1e-3), toward((0.5, ann))
    found = identify_row(matching(0.3), gallery, row, threshold=asked, fmr=5e-4)
    assert (found.person, found.threshold.value) == ("ann", 0.45)
    found = identify_row(matching(0.3), gallery, row, threshold=asked)  # nobody says for what
    assert (found.person, found.threshold.value) == (None, 0.55)
    with pytest.raises(EmbedgeError, match="of the bridge, for its templates, is proven for"):
        identify_row(matching(0.3), gallery, row, threshold=replace(asked, fmr_upper=9e-6, fmr=0.0))
