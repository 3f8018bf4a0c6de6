"""INT8 is kept where it is faster and right; every choice says why."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_graphs import contract

from embedge.calibration.evaluation.figures import Cosines
from embedge.export.engines import race
from embedge.export.engines.check import EngineCheck
from embedge.export.engines.race import Entrant, chosen_engine

CROPS = np.zeros((4, 112, 112, 3), np.uint8)


def entrant(precision: str, lowest: float = 1.0) -> Entrant:
    check = EngineCheck(Cosines(1.0, 1.0, lowest, 9), 0.99, "TensorRT", (), {})
    return Entrant(b"", SimpleNamespace(precision=precision, batches=(1, 2, 8)), check)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("took", "place", "kept"),
    [
        ([0.5, 1.0], 0, "INT8"),
        ([0.97, 1.0], 0, "INT8"),
        ([0.98, 1.0], 1, "FP16"),  # no more than a stopwatch errs
        ([1.4, 1.0], 1, "FP16"),
    ],
)
def test_int8_has_to_be_faster(
    monkeypatch: pytest.MonkeyPatch, took: list[float], place: int, kept: str
) -> None:
    monkeypatch.setattr(race, "medians", lambda *_, **__: took)
    found = chosen_engine([entrant("int8"), entrant("fp16")], contract(), CROPS, seconds=1)
    told = f"INT8 {took[0]:.3f} ms, FP16 {took[1]:.3f} ms"
    assert found == (place, f"{kept}, by medians timed in turns on this device: {told}")


@pytest.mark.parametrize(
    ("lowest", "place", "why"),
    [
        ((0.5, 1.0), 1, "INT8 differs from its graph: lowest cosine 0.50000, bound 0.99"),
        ((1.0, 0.5), 0, "FP16 differs from its graph: lowest cosine 0.50000, bound 0.99"),
        ((0.4, 0.5), 0, "INT8 differs from its graph: lowest cosine 0.40000, bound 0.99; FP16"),
    ],
)
def test_one_that_disagrees_does_not_run(
    monkeypatch: pytest.MonkeyPatch, lowest: tuple[float, float], place: int, why: str
) -> None:
    monkeypatch.setattr(race, "medians", lambda *_, **__: pytest.fail("nothing to compare"))
    both = [entrant("int8", lowest[0]), entrant("fp16", lowest[1])]
    found = chosen_engine(both, contract(), CROPS, seconds=1)
    assert found[0] == place
    assert found[1].startswith(why)


def test_they_are_timed_in_turns_at_the_batch_they_are_best_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    class Engine:
        def __init__(self, _: bytes, card: SimpleNamespace, *__: object, memory: str) -> None:
            self.name = card.precision
            assert memory == "pycuda"

        def __enter__(self) -> "Engine":
            return self

        def __exit__(self, *_: object) -> None:
            order.append("closed")

        def embed(self, images: np.ndarray) -> None:
            assert len(images) == 2
            if order[-1:] != [self.name]:
                order.append(self.name)

    monkeypatch.setattr(race, "TensorRTEncoder", Engine)
    both = [entrant("int8"), entrant("fp16")]
    found = race.medians(both, contract(), CROPS, seconds=0.1, memory="pycuda")
    assert len(found) == 2
    assert order.count("int8") >= 5  # rounds, not one block after the other
    assert order[-2:] == ["closed", "closed"]
