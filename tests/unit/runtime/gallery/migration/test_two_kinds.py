import numpy as np
import pytest
from two_galleries import rows

from embedge.runtime.gallery.migration.two_kinds import TwoKinds
from embedge.runtime.gallery.search.int8 import int8_from_float


@pytest.mark.parametrize("kind", ["float32", "int8"])
@pytest.mark.parametrize("handicap", [0.0, 0.1, -0.1])
def test_the_best_people_are_those_farthest_above_their_own_threshold(
    kind: str, handicap: float
) -> None:
    random = np.random.default_rng(0)
    index = TwoKinds(16, kind)
    made, names, bridged = rows(1, 300), [], []
    for start in range(0, 300, 60):
        people = [f"p{random.integers(50):02}" for _ in range(60)]
        marked = np.flatnonzero(random.random(60) < 0.4)
        part = made[start : start + 60]
        index.know(people)
        index.add(people, int8_from_float(part) if kind == "int8" else part, marked.tolist())
        names += people
        bridged += [number in marked for number in range(60)]
    queries = rows(2, 20)
    scores = queries @ made.T - handicap * np.array(bridged)
    for ranked, score in zip(index.search(queries, 5, handicap), scores, strict=True):
        best: dict[str, int] = {}
        for row in np.argsort(-score):
            best.setdefault(names[row], row)
        if kind == "float32":
            assert [(each.person, each.row) for each in ranked] == list(best.items())[:5]
            assert [each.bridged for each in ranked] == [bridged[each.row] for each in ranked]
        for each in ranked:
            plain = each.cosine - handicap * each.bridged
            assert plain == pytest.approx(score[each.row], abs=0.02)
    assert len(index) == 300
    assert sorted(index.names) == sorted(set(names))
    index.close()


def test_one_kind_may_be_missing() -> None:
    index = TwoKinds(16, "float32")
    assert index.search(rows(1, 2), 3) == [[], []]
    index.know(["ann"])
    index.add(["ann"], rows(1, 1), [0])
    ((best,),) = index.search(rows(1, 1), 3)
    assert (best.person, best.bridged, best.row) == ("ann", True, 0)
