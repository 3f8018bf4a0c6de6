"""The runtime is chosen on the command line, and what runs is told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle


def embedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def verify(tmp_path: Path) -> list[object]:
    bundle = tiny_bundle(tmp_path / "tiny.embedge")
    Image.fromarray(face_like(1)).save(tmp_path / "a.png")
    return ["verify", bundle, tmp_path / "a.png", tmp_path / "a.png", "--aligned", "--json"]


def test_openvino_is_asked_for_by_name(verify: list[object]) -> None:
    pytest.importorskip("openvino", reason="pip install 'embedge[openvino]'")
    done = embedge(*verify, "--runtime", "openvino")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["provider"] == "OpenVINO CPU"


def test_a_runtime_without_an_artifact_is_one_error_with_a_remedy(verify: list[object]) -> None:
    done = embedge(*verify, "--runtime", "ncnn")
    assert done.returncode == 2
    assert "E-RUNTIME" in done.stderr
    assert "--artifact" in done.stderr
    assert "Traceback" not in done.stderr
