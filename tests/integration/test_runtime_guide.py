"""Every example of the pages on the runtime runs, in the order of the page."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle, tiny_threshold
from tiny_detectors import constant_onnx, yunet_outputs

from embedge.runtime.contract import ARCFACE_112

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the guide names."""
    folder = tmp_path_factory.mktemp("guide")
    strict = {**tiny_threshold(0.6).to_json(), "fmr": 0.0, "fmr_upper": 1e-5}
    tiny_bundle(folder / "tiny.embedge", extras={"thresholds": {"fp32": [strict]}})
    ann = face_like(1).astype(int)
    noise = np.random.default_rng(0).integers(-8, 9, ann.shape)
    pictures = {
        "ann-1": ann,
        "ann-2": np.clip(ann + noise, 0, 255),
        "ben-1": face_like(2),
        "night": ann // 10,
        "scene": face_like(3, 256),
    }
    for name, picture in pictures.items():
        Image.fromarray(np.asarray(picture, np.uint8)).save(folder / f"{name}.png")
    planted = (np.array([8.0, 8, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    (folder / "detector.onnx").write_bytes(constant_onnx(yunet_outputs([planted])))
    return folder


def blocks(kind: str, page: str = "runtime.md") -> list[str]:
    text = (DOCS / page).read_text()
    found: list[str] = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    assert found
    return found


def test_the_python_examples(place: Path) -> None:
    said = []
    for example in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=place, capture_output=True, text=True
        )
        assert done.returncode == 0, example + done.stderr
        said.append(done.stdout)
    verified, detected, refused, streamed, gallery, faces, attempts = said
    assert verified.startswith("True 0.9")
    assert detected.startswith("(112, 112, 3)")
    assert "'dark'" in refused
    assert streamed == "(64,)\n(64,)\n"
    assert gallery.startswith("ann ")
    assert "True" in gallery.splitlines()[1]
    assert faces.startswith("(16.0, 16.0, 240.0, 240.0) None ")
    assert attempts.startswith("E-ATTEMPTS")


def test_the_commands(place: Path) -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    for line in lines:
        _, program, *arguments = shlex.split(line)
        assert program == "embedge"
        done = subprocess.run(
            [sys.executable, "-m", "embedge", *arguments],
            cwd=place,
            capture_output=True,
            text=True,
        )
        expected = 1 if "--exit-status" in arguments else 0
        assert done.returncode == expected, line + done.stderr


PAGES = {"from-insightface.md": "True\n", "from-deepface.md": "True\nann\n"}


@pytest.mark.parametrize(("page", "said"), PAGES.items())
def test_the_pages_for_those_who_come_from_elsewhere(place: Path, page: str, said: str) -> None:
    for example in blocks("python", page):
        done = subprocess.run(
            [sys.executable, "-c", example], cwd=place, capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (0, said), done.stderr
