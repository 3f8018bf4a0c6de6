"""A file beside its twin: what the row says comes from the files themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Cosines
from embedge.export.int8.budget.before_after import (
    BeforeAfter,
    FileFigures,
    before_after,
    parity_of,
)
from embedge.export.intake.intake import taken_in


def test_a_file_beside_itself(student_file: Path, pictures: NDArray[np.uint8]) -> None:
    taken, size = taken_in(student_file, pictures), student_file.stat().st_size
    parity = parity_of(taken, student_file, pictures[:8], floor=0.999)
    found = before_after(taken, size, student_file, pictures[:8], parity, seconds=0.1)
    assert found.parity.min == pytest.approx(1)
    assert found.parity.n == 8
    assert found.before.bytes == found.after.bytes == student_file.stat().st_size
    assert found.before.calls > 0 < found.after.p50_ms


def test_the_speedup_is_before_over_after_and_is_written() -> None:
    rows = FileFigures("a.onnx", 4, 6.0, 10), FileFigures("b.onnx", 1, 1.5, 40)
    written = BeforeAfter(Cosines(1.0, 1.0, 1.0, 8), *rows, disturbed=False).to_json()
    assert written["speedup"] == 4
    assert written["after"] == {"file": "b.onnx", "bytes": 1, "p50_ms": 1.5, "calls": 40}
    assert json.loads(json.dumps(written))["parity"]["n"] == 8
