"""Counts of a calibration on disk, so that a stopped one goes on and several join."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from embedge.calibration.ranges import Histogram
from embedge.errors import EmbedgeError
from embedge.files import whole_file

__all__ = ["read_histograms", "write_histograms"]

_FORMAT = "embedge.histograms/1"


def write_histograms(path: Path, histograms: Mapping[str, Histogram]) -> None:
    """One whole .npz file."""
    names = sorted(histograms)
    found = [histograms[name] for name in names]
    header = {"format": _FORMAT, "names": names}
    with whole_file(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            header=np.array(json.dumps(header)),
            counts=np.array([h.counts for h in found]),
            zeros=np.array([h.zeros for h in found], np.int64),
            ends=np.array([[h.low, h.high] for h in found], np.float64),
        )


def read_histograms(path: Path) -> dict[str, Histogram]:
    """What `write_histograms` wrote; go on with `collect`, or join with `merge`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            if header["format"] != _FORMAT:
                raise ValueError(f"its format is {header['format']}")
            rows = zip(header["names"], stored["counts"], stored["zeros"], stored["ends"])
            return {name: _restored(*row) for name, *row in rows}
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise EmbedgeError(
            "E-CALIBRATION",
            f"these stored counts cannot be read: {error}",
            where=path,
            remedy="Delete the file; the calibration starts again",
        ) from error


def _restored(counts: np.ndarray, zeros: np.int64, ends: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.counts = counts.copy()
    histogram.zeros = int(zeros)
    histogram.low, histogram.high = float(ends[0]), float(ends[1])
    return histogram
