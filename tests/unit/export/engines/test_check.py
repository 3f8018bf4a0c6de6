"""An engine is judged by its worst face, and timed at batch 1 and at the largest that it takes."""

import numpy as np
import pytest
from tiny_graphs import contract

from embedge.calibration.evaluation.figures import Cosines
from embedge.errors import GateFailed
from embedge.export.engines.check import BOUNDS, EngineCheck, _latency, require_agreement


class Counting:
    """An encoder that remembers how many pictures each call held."""

    contract, provider = contract(), "counted"

    def __init__(self) -> None:
        self.sizes: set[int] = set()

    def embed(self, images: np.ndarray) -> np.ndarray:
        self.sizes.add(len(images))
        return np.ones((len(images), 2), np.float32)


@pytest.mark.parametrize(("largest", "batches"), [(1, [1]), (4, [1, 4]), (99, [1, 6])])
def test_batch_one_and_the_largest_that_the_faces_fill(largest: int, batches: list[int]) -> None:
    engine = Counting()
    crops = np.zeros((6, 8, 8, 3), np.uint8)
    found = _latency("int8.plan", engine, crops, largest, 0.05)  # type: ignore[arg-type]
    assert [timing.batch for timing in found] == batches
    assert engine.sizes == set(batches)
    row = found[0]
    assert (row.artifact, row.provider, row.threads) == ("int8.plan", "counted", 1)
    assert row.n > 0


@pytest.mark.parametrize(("lowest", "agrees"), [(0.9995, True), (0.99, False)])
def test_the_lowest_cosine_decides(lowest: float, agrees: bool) -> None:
    check = EngineCheck(Cosines(0.9999, 0.9998, lowest, 9), BOUNDS["fp16"], "TensorRT", (), {})
    assert check.passed is agrees
    if agrees:
        require_agreement("e", check)
    else:
        with pytest.raises(GateFailed, match=r"E-ENGINE-PARITY.*engine e .*0.99000, bound 0.999"):
            require_agreement("e", check)
