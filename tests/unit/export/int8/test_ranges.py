import numpy as np
import pytest
from numpy.typing import ArrayLike

from embedge.errors import EmbedgeError
from embedge.export.int8.ranges import Method, Range, ValueCounts


def collected(*batches: ArrayLike) -> ValueCounts:
    counts = ValueCounts()
    for batch in batches:
        counts.collect(np.asarray(batch, np.float32))
    return counts


@pytest.fixture(scope="module")
def bell() -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 1, 200_000).astype(np.float32)


def test_max_is_what_was_seen(bell: np.ndarray) -> None:
    found = collected(bell).compute("max")
    assert (found.low, found.high) == (bell.min(), bell.max())


@pytest.mark.parametrize("percent", [90, 99, 99.9, 99.99])
def test_percentile_agrees_with_numpy(bell: np.ndarray, percent: float) -> None:
    found = collected(bell).compute("percentile", percent=percent)
    tail = (100 - percent) / 2
    expected = np.percentile(bell, [tail, 100 - tail])
    np.testing.assert_allclose([found.low, found.high], expected, rtol=3e-3)


def squared_error(values: np.ndarray, bounds: Range) -> float:
    step = (bounds.high - bounds.low) / 255
    zero = np.round(-bounds.low / step)
    code = np.round(values / step) + zero
    error = ((np.clip(code, 0, 255) - zero) * step - values) ** 2
    return np.mean(np.where((code < 0) | (code > 255), 4, 1) * error)


def test_mse_beats_every_other_range(bell: np.ndarray) -> None:
    spiky = np.concatenate([bell, [40.0]])
    counts = collected(spiky)
    best = squared_error(spiky, counts.compute("mse"))
    grid = [Range(low, high) for low in np.linspace(-6, -2, 21) for high in np.linspace(3, 40, 38)]
    assert best <= 1.02 * min(squared_error(spiky, trial) for trial in grid)
    assert best < squared_error(spiky, counts.compute("max"))


def test_symmetric_mse_is_symmetric(bell: np.ndarray) -> None:
    found = collected(bell).compute("mse", symmetric=True, levels=254)
    assert found.low == -found.high


def test_entropy_cuts_a_long_tail_and_keeps_a_flat_one(bell: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    heavy = np.concatenate([bell, rng.normal(0, 30, 40)])
    assert collected(heavy).compute("entropy").bound < 0.5 * np.abs(heavy).max()
    flat = rng.uniform(-1, 1, 100_000)
    assert collected(flat).compute("entropy").bound > 0.95


def test_zero_is_always_inside() -> None:
    for method in ("max", "percentile", "mse", "entropy"):
        positive = collected(np.linspace(2, 3, 1000)).compute(method)
        assert positive.low == 0
        negative = collected(np.linspace(-3, -2, 1000)).compute(method)
        assert negative.high == 0


@pytest.mark.parametrize("method", ["max", "percentile", "mse", "entropy"])
def test_a_constant_tensor_has_a_range(method: Method) -> None:
    assert collected(np.zeros(10)).compute(method) == Range(0, 0)
    assert collected(np.full(10, 0.5)).compute(method).high == pytest.approx(0.5, rel=1e-2)


def test_thinning_keeps_the_extremes(bell: np.ndarray) -> None:
    pictures = bell.reshape(20, -1)
    counts = ValueCounts()
    counts.collect(pictures, most=1000)
    assert counts.total <= 20_000
    assert counts.compute("max") == collected(bell).compute("max")
    percentile = counts.compute("percentile", percent=99)
    np.testing.assert_allclose(percentile.high, np.percentile(bell, 99.5), rtol=0.03)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_names_the_tensor(bad: float) -> None:
    with pytest.raises(EmbedgeError, match=r"E-NAN.*conv7"):
        ValueCounts().collect(np.array([1.0, bad], np.float32), "conv7")


def test_nothing_collected_is_said() -> None:
    with pytest.raises(EmbedgeError, match="E-CALIBRATION"):
        ValueCounts().compute("max")
