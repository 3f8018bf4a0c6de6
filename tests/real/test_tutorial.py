"""The tutorial, command by command, on real photos and models."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shown_commands import commands_of

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
SHORT = "embedge bundle "  # sixty people leave the equal error rate open


def test_every_command_in_the_order_of_the_page(real: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(real / "photos")
    (tmp_path / "embedder.onnx").symlink_to(real / "models" / "w600k_mbf.onnx")
    (tmp_path / "detector.onnx").symlink_to(real / "models" / "scrfd_2.5g_bnkps.onnx")
    assert len(commands_of(PAGE)) == 10
    for line in commands_of(PAGE):
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(line)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert ("NOT SHOWN" in done.stdout) == line.startswith(SHORT)
        if " verify " in line:
            assert done.stdout.startswith("MATCH")
        if " identify " in line:
            assert ": Arlen_Specter\n" in done.stdout
