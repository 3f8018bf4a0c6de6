"""Shapes and times cross between machines whole, and a device times what it was given."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embedge.bench.fitting.shapes import LIST, DeviceTimes, Shape, Shapes
from embedge.bench.fitting.timing import device_times
from embedge.errors import EmbedgeError
from embedge.pipeline.fitting.candidates import Grid, write_candidates
from embedge.progress import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shapes")
    write_candidates(out, Grid(("repface",), (0.25,), (0.5,), ("relu",)), 16, Progress(quiet=True))
    return out


def test_a_device_times_every_precision_and_its_file_comes_back_the_same(
    folder: Path, tmp_path: Path
) -> None:
    found = device_times(folder, seconds=0.5)
    assert {one.precision for one in found.times} == {"fp32", "int8-cpu"}
    assert all(one.ms > 0 and one.runs > 0 for one in found.times)
    assert found.provider == "CPUExecutionProvider"
    found.write(tmp_path / "device.json")
    assert DeviceTimes.read(tmp_path / "device.json") == found


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"width": 2}, {"architecture": "vit"}, {"activation": "gelu"}]
)
def test_a_strange_shape_is_refused_with_its_place(
    folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    value = json.loads((folder / LIST).read_text())
    value["shapes"][0] |= change
    (tmp_path / LIST).write_text(json.dumps(value))
    with pytest.raises(EmbedgeError, match=f"E-FIT.*{next(iter(change))}"):
        Shapes.read(tmp_path / LIST)


def test_no_file_and_no_faces_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedgeError, match=r"E-FIT.*no such file"):
        DeviceTimes.read(tmp_path / "device.json")
    (tmp_path / LIST).write_bytes((folder / LIST).read_bytes())
    with pytest.raises(EmbedgeError, match=r"E-FIT.*faces"):
        device_times(tmp_path, seconds=1)


def test_a_shape_says_its_keys_of_the_recipe() -> None:
    shape = Shape(
        name="x",
        architecture="repface",
        scale=1,
        width=0.5,
        depth=1.0,
        activation="relu",
        parameters=1,
        macs=1,
        bytes={},
    )
    assert shape.student == {
        "architecture": "repface",
        "scale": 1,
        "width": 0.5,
        "depth": 1.0,
        "activation": "relu",
    }


FORBID = """
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnx", "pydantic", "yaml", "rich", "safetensors"}:
            raise ImportError(f"{name} is not part of the base install")
        if name.startswith(("embedge.train", "embedge.export", "embedge.pipeline")):
            raise ImportError(f"{name} is not on the device")
sys.meta_path.insert(0, Forbid())
from embedge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_device_with_the_base_install_measures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "device.json"
    arguments = ["fit-to", "--measure", str(folder), "--device", str(out), "--seconds", "0.4"]
    done = subprocess.run(
        [sys.executable, "-c", FORBID, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert len(DeviceTimes.read(out).times) == 2
