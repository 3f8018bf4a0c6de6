"""Every combination is written once, with its cost and the faces it is timed on."""

from pathlib import Path

import numpy as np
import pytest

from embedge.bench.fitting.shapes import FACES, LIST, Shapes
from embedge.pipeline.fitting.candidates import Grid, write_candidates
from embedge.progress import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes")
    write_candidates(out, Grid(("repface",), (0.25,), (0.5,), ("relu",)), 16, Progress(quiet=True))
    return out


def test_every_combination_is_a_candidate() -> None:
    grid = Grid(widths=(0.25, 1), depths=(1,))
    assert len(grid.shapes()) == 2 * 2 * 1 * 2
    assert len(set(grid.shapes())) == len(grid.shapes())


def test_what_is_written_is_listed_with_its_cost(folder: Path) -> None:
    (shape,) = Shapes.read(folder / LIST).shapes
    assert shape.bytes.keys() == {"fp32", "int8-cpu"}
    for precision, size in shape.bytes.items():
        assert (folder / f"{shape.name}.{precision}.onnx").stat().st_size == size
    assert shape.bytes["int8-cpu"] < shape.bytes["fp32"]
    assert 4 * shape.parameters < shape.bytes["fp32"] < 5 * shape.parameters + 50_000
    assert np.load(folder / FACES).shape == (16, 112, 112, 3)


def test_what_is_there_already_is_kept(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
    grid = Grid(("repface",), (0.25,), (0.5,), ("relu",))
    write_candidates(folder, grid, 16, Progress(quiet=True))
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}
