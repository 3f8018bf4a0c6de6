from pathlib import Path

import numpy as np
import pytest

from embedge.calibration.range_store import read_histograms, write_histograms
from embedge.calibration.ranges import Histogram
from embedge.errors import EmbedgeError


def test_a_stopped_calibration_goes_on(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 5000)).astype(np.float32)
    whole = Histogram()
    whole.collect(values)
    first = {"a": Histogram(), "b/c": Histogram()}
    first["a"].collect(values[0])
    write_histograms(tmp_path / "counts.npz", first)
    again = read_histograms(tmp_path / "counts.npz")
    assert sorted(again) == ["a", "b/c"]
    assert again["b/c"].total == 0
    again["a"].collect(values[1])
    for method in ("max", "percentile", "mse", "entropy"):
        assert again["a"].compute(method) == whole.compute(method)


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_spoilt_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "counts.npz").write_bytes(content)
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        read_histograms(tmp_path / "counts.npz")
