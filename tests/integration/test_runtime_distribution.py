"""The device's share of the tree: what travels, what it weighs, what each command says there."""

import compileall
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tiny_bundles import face_like, tiny_bundle, tiny_threshold

from embedge.cli import COMMANDS

REPOSITORY = Path(__file__).parents[2]
WORKSHOP = (
    "bridge a.onnx b.onnx --faces faces --out m.bridge",
    "compare --methods th-kd --seeds 1 --out run",
    "distill-and-export --recipe rendered --out run",
    "fit-to --latency 4ms --out run",
    "plan --classes 100 --batch 10",
    "quantize a.onnx --calib faces --target cpu --out b.onnx",
    "train-teacher --recipe rendered --out run",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY / "distributions" / "runtime",
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("embedge_runtime-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def said(site: Path, *command: str, cwd: Path | None = None) -> CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=cwd or site.parent,
        capture_output=True,
        text=True,
    )


def test_it_weighs_little_with_byte_code(site: Path) -> None:
    assert compileall.compile_dir(site, quiet=1)
    files = [path for path in site.rglob("*") if path.is_file()]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    assert round(megabytes, 1) <= 4.5  # README.md says so
    assert not (site / "embedge" / "train").exists()


def test_every_module_that_travels_is_whole_in_the_tree(site: Path) -> None:
    for path in (site / "embedge").rglob("*.py"):
        there = REPOSITORY / "src" / path.relative_to(site)
        assert path.read_bytes() == there.read_bytes()


def test_a_bundle_verifies(site: Path, tmp_path: Path) -> None:
    from PIL import Image

    strict = {**tiny_threshold(0.6).to_json(), "fmr": 0.0, "fmr_upper": 1e-5}
    tiny_bundle(tmp_path / "tiny.embedge", extras={"thresholds": {"fp32": [strict]}})
    Image.fromarray(face_like(1)).save(tmp_path / "ann.png")
    one = said(site, "-m", "embedge", "verify", "tiny.embedge", "ann.png", "ann.png", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    assert one.stdout.startswith("MATCH")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_explains_itself(site: Path, command: str) -> None:
    done = said(site, "-m", "embedge", command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage:")


@pytest.mark.parametrize("command", WORKSHOP)
def test_a_command_of_the_workshop_says_where_it_works(
    site: Path, command: str, tmp_path: Path
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"a graph")
    (tmp_path / "faces").mkdir()
    done = said(site, "-m", "embedge", *command.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-EXTRA: this is the device's share of embedge")
    assert "pip install 'embedge[train,export]'" in done.stderr


def test_without_pictures_bench_says_where_rendered_ones_are(site: Path, tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "tiny.embedge")
    done = said(site, "-m", "embedge", "bench", "tiny.embedge", cwd=tmp_path)
    assert done.returncode == 2
    assert "--images" in done.stderr
