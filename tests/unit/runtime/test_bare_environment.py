"""The runtime stands on its own four packages: proven by forbidding every other one."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle

FORBID = """
import importlib, pkgutil, sys
FORBIDDEN = {
    "torch", "onnx", "onnxscript", "pydantic", "yaml", "rich", "matplotlib", "jinja2",
    "safetensors", "scipy", "cv2", "insightface", "skimage", "sklearn", "faiss", "pymilvus",
    "hypothesis", "pytest",
    "embedge.train", "embedge.export", "embedge.calibration",
}
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name in FORBIDDEN:
            raise ImportError(f"{name} is not part of the device runtime")
sys.meta_path.insert(0, Forbid())
"""

IMPORT_ALL = """
import embedge.runtime
walked = pkgutil.walk_packages(embedge.runtime.__path__, "embedge.runtime.")
names = [found.name for found in walked]
for name in names:
    importlib.import_module(name)
for name in embedge.runtime.__all__:
    getattr(embedge.runtime, name)
assert len(names) > 8, names
print(len(names))
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", FORBID + code, *arguments], capture_output=True, text=True
    )


def test_every_module_imports() -> None:
    done = run(IMPORT_ALL)
    assert done.returncode == 0, done.stderr


def test_the_hook_forbids() -> None:
    for name in ("torch", "embedge.export"):
        done = run(f"import {name}")
        assert "is not part of the device runtime" in done.stderr


def test_importing_the_runtime_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'onnxruntime', 'PIL', 'cryptography', 'torch', 'onnx', 'pydantic'}"
    done = run(f"import embedge.runtime; print({heavy} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


@pytest.mark.parametrize("value", [None, "0"])
def test_telemetry_is_switched_off_before_onnxruntime_is_imported(value: str | None) -> None:
    """Unless somebody switched it on by name."""
    code = f"import os; os.environ.pop('ORT_DISABLE_TELEMETRY', None); value = {value!r}\n"
    code += "if value: os.environ['ORT_DISABLE_TELEMETRY'] = value\n"
    code += """
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print(os.environ.get("ORT_DISABLE_TELEMETRY"))
sys.meta_path.insert(0, Watch())
import embedge.runtime.encoders.ort
from embedge.runtime.encoders.sessions import ort_session
try:
    ort_session(b"\\x3a\\x00")
except Exception as error:
    assert error.code == "E-GRAPH", error
assert "onnxruntime" in sys.modules
"""
    done = run(code)
    assert done.stdout.strip() == (value or "1"), done.stderr


def test_the_command_works(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "tiny.embedge")
    for seed in (1, 2):
        Image.fromarray(face_like(seed)).save(tmp_path / f"{seed}.png")
    code = "from embedge.cli import main; sys.exit(main(sys.argv[1:]))"
    done = run(code, "verify", str(bundle), str(tmp_path / "1.png"), str(tmp_path / "2.png"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("NO MATCH")
