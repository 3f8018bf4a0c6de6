"""What the engine commands say on a machine that has no GPU: one line, no traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from embedge.errors import EmbedgeError
from embedge.runtime import FaceMatcher

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is not None, reason="this machine has a GPU"
)


def embedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_build_engine_tells_what_is_missing(tmp_path: Path) -> None:
    before = sorted(path.name for path in tiny_bundle(tmp_path / "b.embedge").rglob("*"))
    done = embedge("build-engine", tmp_path / "b.embedge", "--artifact", "fp32")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(("embedge: E-TRT-MISSING", "embedge: E-NO-GPU"))
    assert before == sorted(path.name for path in (tmp_path / "b.embedge").rglob("*"))


def test_the_matcher_never_falls_back(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "b.embedge")
    with pytest.raises(EmbedgeError) as told:
        FaceMatcher.load(bundle, require_provider="TensorRT")
    assert told.value.code == "E-NO-GPU"


def test_ahead_of_time_into_a_bundle(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed: .[rtx]")
    bundle = tiny_bundle(tmp_path / "b.embedge")
    done = embedge(
        *("build-engine", bundle, "--precision", "fp32", "--target", "rtx"),
        *("--sm", 86, "--sm", 89, "--batch", "1,4,8"),
    )
    assert done.returncode == 0, done.stderr
    assert "check     not run: built ahead of time, no GPU to ask" in done.stdout
    (plan,) = (bundle / "engines").glob("*.plan")
    assert plan.name.startswith("fp32.sm86+sm89.rtx-1.")
    FaceMatcher.load(bundle).close()  # the bundle still opens, every digest checked
