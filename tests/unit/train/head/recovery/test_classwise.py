"""A few classes at a time give what all at once give, in a fraction of the memory."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from embedge.runtime.encoders import unit_rows
from embedge.train.head.recovery import classwise
from embedge.train.head.recovery.centres import recovered_centres


def at_once(
    sides: Sequence[np.ndarray], labels: np.ndarray, classes: int, trim: float = 0.1
) -> np.ndarray:
    """All of it in memory, and in double precision."""
    plain, mirror = (unit_rows(side.astype(np.float64)) for side in sides)

    def means(rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
        sums = np.zeros((classes, rows.shape[1]))
        np.add.at(sums, labels[keep], rows[keep])
        return unit_rows(sums)

    everybody = np.full(len(labels), True)
    own = (plain * means(plain, everybody)[labels]).sum(1)
    rows = unit_rows(plain + mirror) if (plain * mirror).sum(1).mean() >= own.mean() else plain
    close = (rows * means(rows, everybody)[labels]).sum(1)
    middle = np.median(close)
    strays = close < middle - 4 * 1.4826 * np.median(np.abs(close - middle))
    for label in range(classes):
        mine = np.flatnonzero(labels == label)
        farthest = mine[np.argsort(close[mine])][: int(len(mine) * trim)]
        strays[np.setdiff1d(mine, farthest)] = False
    return means(rows, ~strays)


@pytest.mark.parametrize("block", [1, 7, 64, 10_000])
@pytest.mark.parametrize("mirror_is_known", [True, False])
def test_as_all_at_once(monkeypatch: pytest.MonkeyPatch, block: int, mirror_is_known: bool) -> None:
    monkeypatch.setattr(classwise, "_BLOCK", block)
    rng = np.random.default_rng(block)
    classes, dim = 11, 24
    labels = rng.permutation(np.repeat(np.arange(classes - 1), rng.integers(1, 30, classes - 1)))
    truth = rng.normal(size=(classes, dim))
    rows = truth[labels] + 0.3 * rng.normal(size=(len(labels), dim))
    rows[::17] = rng.normal(size=rows[::17].shape)
    mirror = rows + 0.05 * rng.normal(size=rows.shape)
    if not mirror_is_known:
        mirror = rng.normal(size=rows.shape)
    sides = [side.astype(np.float16) for side in (rows, mirror)]
    found, report = recovered_centres(sides, labels, list(map(str, range(classes))))
    assert report.mirrored is mirror_is_known
    np.testing.assert_allclose(found, at_once(sides, labels, classes), atol=2e-6)
    assert not found[-1].any(), "nobody is in the last class"


_PEAK = """
import sys, numpy as np
from embedge.train.head.recovery.centres import recovered_centres
def peak():
    told = open("/proc/self/status").read()
    return int(told.split("VmHWM:")[1].split()[0]) / 1024
sides = [np.load(path, mmap_mode="r") for path in sys.argv[2:]]
labels = np.random.default_rng(0).integers(0, 5000, len(sides[0]))
if sys.argv[1] == "sorted":
    labels.sort()
before = peak()
recovered_centres(sides, labels, list(map(str, range(5000))))
print(peak() - before)
"""


@pytest.mark.parametrize("order", ["sorted", "any"])
def test_memory_is_that_of_a_block_and_the_centres(tmp_path: Path, order: str) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / "plain.npy", tmp_path / "flipped.npy"]
    few = rng.normal(size=(10_000, 256)).astype(np.float16)
    for path in paths:
        np.save(path, np.tile(few, (30, 1)))
    command = [sys.executable, "-c", _PEAK, order, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = 300_000 * 256 * 4 / 2**20  # one side in float32: four of them were held before
    assert float(done.stdout) < whole / 2
