"""embedge bench as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bench") / "tiny.embedge")


def embedge(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "embedge", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


QUICK = ("--seconds", 0.1, "--artifact", "fp32", "--threads", "1", "--scenario", "single-stream")


def test_it_measures_on_rendered_faces_and_writes_a_report(bundle: Path, tmp_path: Path) -> None:
    done = embedge(bundle, *QUICK, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "p50" in done.stdout
    assert "cold start" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["artifacts"][0]["placement"]["CPUExecutionProvider"]["Conv"] == 1
    assert report["latency"]["scenarios"] == []
    assert "One embedding at a time" in (tmp_path / "report.html").read_text()


def test_own_crops_and_json(bundle: Path, tmp_path: Path) -> None:
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"{seed}.png")
        Image.fromarray(face_like(seed)).save(paths[-1])
    done = embedge(bundle, *QUICK, "--json", "--images", *paths)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["artifacts"][0]["n"] > 1


def test_mistakes_are_one_sentence(bundle: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(face_like(1, 200)).save(large)
    for arguments, code in (
        ((bundle, "--artifact", "int4"), "E-ARTIFACT"),
        ((bundle, "--images", large), "E-NOT-ALIGNED"),
        ((tmp_path / "absent.embedge",), "E-BUNDLE-MISSING"),
    ):
        done = embedge(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith(f"embedge: {code}: ")
        assert len(done.stderr.splitlines()) == 1
