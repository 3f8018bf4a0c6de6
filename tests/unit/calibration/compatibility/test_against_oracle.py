"""Every figure of a certificate against plain loops, to the twelfth digit."""

import numpy as np
import pytest
from paper_oracle import Oracle, certified, figures
from two_models import FMR, measured, seen

from embedge.calibration.compatibility.figures import ArtifactCompatibility, System
from embedge.typed import plain

SEED = 3
_SINGLE = 1e-6  # a threshold is a score, in single precision

Both = tuple[tuple[System, dict], tuple[ArtifactCompatibility, dict]]


@pytest.fixture(scope="module", params=[(0.8, 0.2), (1.0, 0.9)], ids=["near", "far"])
def both(request: pytest.FixtureRequest) -> Both:
    """What is stated, and beside it what plain loops find."""
    old, new, people = seen(old=request.param[0], new=request.param[1])
    stated = measured((old, new, people), seed=SEED)
    strangers, judged = (
        Oracle(old[some], new[some], people.labels[some].tolist())
        for some in (people.calibrate, people.judged)
    )
    (paragon, one), wanted = stated, certified(strangers, judged, FMR, SEED)
    return (paragon, wanted[0]), (one, wanted[1])


@pytest.mark.parametrize("part", [0, 1], ids=["paragon", "artifact"])
def test_every_figure_and_none_left_out(both: Both, part: int) -> None:
    stated, oracle = (dict(figures(one)) for one in (plain(both[part][0]), both[part][1]))
    assert stated.keys() == oracle.keys()
    assert len(stated) > (16, 150)[part]
    for place, value in oracle.items():
        near = _SINGLE if place.endswith("threshold.value") else 1e-12
        assert stated[place] == pytest.approx(value, abs=near), place


def test_a_score_that_is_a_threshold_is_one_of_theirs(both: Both) -> None:
    """Nobody can move it between two scores, where it would decide alike and look chosen."""
    for system in (both[0][0], both[1][0].cross, both[1][0].reverse, both[1][0].alone):
        assert np.float32(system.threshold.value) == system.threshold.value
        assert system.threshold.fmr <= system.threshold.fmr_upper <= FMR
