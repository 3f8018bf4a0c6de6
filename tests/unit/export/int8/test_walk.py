"""How far one walks from a float file to its INT8 twin, and what need not be installed for it."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from small_face import smooth_pictures

from embedge.cli import main

ROOT = Path(__file__).resolve().parents[4]
# What many walks stand on, and what other walks count: sessions, contracts, pictures, whole files.
BENEATH = ("runtime/", "tests/")
HOUSEHOLD = {f"src/embedge/{name}.py" for name in ("files", "optional", "progress", "cli/__init__")}
MOST_FILES = 12


def files_entered(call):
    """Files of the product in which `call` runs a function; to import a module is no step."""
    found = set()

    def noted(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED:  # no class or module body
            found.add(code.co_filename)

    sys.setprofile(noted)
    try:
        call()
    finally:
        sys.setprofile(None)
    paths = (Path(name).resolve() for name in found if name.endswith(".py"))
    return sorted(p.relative_to(ROOT).as_posix() for p in paths if ROOT in p.parents)


@pytest.mark.parametrize("target", ["cpu", "trt8"])
def test_a_float_file_becomes_int8_in_few_files(student_file, tmp_path, target):
    for number, image in enumerate(smooth_pictures(12)):
        (tmp_path / "faces").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"faces/{number}.png")
    arguments = ["quantize", student_file, "--calib", tmp_path / "faces", "--no-figures"]
    arguments += ["--out", tmp_path / "int8.onnx", "--target", target]
    entered = files_entered(lambda: main(list(map(str, arguments))))
    walk = [f for f in entered if not f.startswith(BENEATH) and f not in HOUSEHOLD]
    print("\n".join(["walk:", *walk, "beneath:", *sorted(set(entered) - set(walk))]))
    assert (tmp_path / "int8.onnx").is_file()
    assert len(walk) <= MOST_FILES, walk


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
def test_int8_needs_no_torch(student_file, tmp_path, target):
    out = tmp_path / "q.onnx"
    command = [sys.executable, "-c", WITHOUT_TORCH, str(student_file), str(out), target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.is_file()
