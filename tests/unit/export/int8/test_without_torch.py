"""A float file becomes INT8 where nothing that trains is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnxscript"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
import numpy as np
from embedge.export.int8.qdq import qdq_from_onnx

model, out, target = sys.argv[1:]
pictures = np.random.default_rng(0).integers(0, 255, (8, 112, 112, 3), dtype=np.uint8)
qdq_from_onnx(Path(model), pictures, Path(out), target=target)
"""


@pytest.mark.parametrize("target", ["cpu", "trt"])
def test_int8_needs_no_torch(student_file: Path, tmp_path: Path, target: str) -> None:
    out = tmp_path / "q.onnx"
    command = [sys.executable, "-c", WITHOUT_TORCH, str(student_file), str(out), target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.is_file()
