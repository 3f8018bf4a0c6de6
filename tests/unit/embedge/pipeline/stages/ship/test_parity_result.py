"""What is kept on disk of the parity stage comes back as it was, and nothing else is read."""

import json
from typing import Any

import pytest
from tiny_bundles import tiny_threshold

from embedge.calibration.evaluation.figures import Cosines, Key
from embedge.pipeline.stages.ship.parity_result import (
    TEACHER,
    ArtifactParity,
    ParityResult,
    ScoredPlaces,
    WorstPlaces,
    student,
)
from embedge.report.model import Dataset, Shortage
from embedge.typed import Mistakes, plain, structured


@pytest.fixture(scope="module")
def found() -> ParityResult:
    dataset = Dataset("strangers", "f" * 64, identities=6, images=18, threshold_identities=6)
    cosine = Cosines(0.99, 0.97, 0.9, 12)
    artifacts = {
        "fp32": ArtifactParity("CPU", cosine, tiny_threshold(), None, None, (tiny_threshold(0.4),)),
        "fp16": ArtifactParity(
            "CPU", cosine, None, Shortage(1e-3, 60, 78), tiny_threshold(0.2), ()
        ),
    }
    worst = WorstPlaces((ScoredPlaces(3, 8, 0.7),), (ScoredPlaces(1, 2, -0.1),))
    return ParityResult(dataset, artifacts, (), worst)


def stored(found: ParityResult) -> Any:
    return json.loads(json.dumps(plain(found)))


def test_what_was_found_survives_the_disk(found: ParityResult) -> None:
    assert structured(ParityResult, stored(found)) == found


@pytest.mark.parametrize("place", [-1, "3"])
def test_a_place_that_is_none_is_told_with_where_it_is(found: ParityResult, place: object) -> None:
    value = stored(found)
    value["worst"]["impostors"][0]["a"] = place
    with pytest.raises(Mistakes, match=r"worst\.impostors\[0\]\.a"):
        structured(ParityResult, value)


def test_sides_are_named_by_the_artifact_that_ran() -> None:
    assert str(Key(TEACHER, student("int8-cpu"))) == "teacher / student int8-cpu"
    assert student("fp16") == student("fp16") != student("fp32")
