"""Tileable noise: skin, hair strands and backgrounds take their irregularity from here."""

import numpy as np

from embedge.train.render.randomness import Draw
from embedge.train.render.surface.lookup import bilinear_wrapped, nearest_wrapped
from embedge.train.render.surface.shapes import Floats

__all__ = ["Noise"]

_SIZE = 256
_GRAINS = 1 << 18


class Noise:
    """Three tables over the unit square, about zero mean and unit variance each."""

    def __init__(self, seed: int) -> None:
        generator = Draw(seed, "noise").generator
        self._smooth = _band(generator, 2.0, 9.0)
        self._medium = _band(generator, 8.0, 40.0)
        self._fine = _band(generator, 40.0, 90.0)
        self._grain = generator.standard_normal(_GRAINS, np.float32)

    def smooth(self, x: Floats, y: Floats) -> Floats:
        return bilinear_wrapped(self._smooth, x * _SIZE, y * _SIZE)

    def blotches(self, x: Floats, y: Floats) -> Floats:
        """The smooth table without interpolation, for what is faint."""
        return nearest_wrapped(self._smooth, x * _SIZE, y * _SIZE)

    def medium(self, x: Floats, y: Floats) -> Floats:
        return bilinear_wrapped(self._medium, x * _SIZE, y * _SIZE)

    def fine(self, x: Floats, y: Floats) -> Floats:
        return bilinear_wrapped(self._fine, x * _SIZE, y * _SIZE)

    def grain(self, start: int, count: int) -> Floats:
        """Independent normal values, from anywhere in a long row of them."""
        start %= _GRAINS
        if start + count <= _GRAINS:
            return self._grain[start : start + count]
        return self._grain.take(np.arange(start, start + count), mode="wrap")


def _band(generator: np.random.Generator, low: float, high: float) -> Floats:
    """Band-limited noise with `low` to `high` waves per tile, with a repeated border."""
    spectrum = np.fft.rfft2(generator.standard_normal((_SIZE, _SIZE)))
    rows = np.fft.fftfreq(_SIZE, 1 / _SIZE)[:, None]
    columns = np.fft.rfftfreq(_SIZE, 1 / _SIZE)[None, :]
    radius = np.hypot(rows, columns)
    spectrum *= np.exp(-((radius / high) ** 2)) - np.exp(-((radius / low) ** 2))
    field = np.fft.irfft2(spectrum, s=(_SIZE, _SIZE))
    table: Floats = np.pad(field / field.std(), (0, 1), mode="wrap").astype(np.float32)
    return table
