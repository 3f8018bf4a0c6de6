"""embedge verify, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify")
    tiny_bundle(folder / "tiny.embedge")
    for seed in (1, 2):
        Image.fromarray(face_like(seed)).save(folder / f"{seed}.png")
    Image.fromarray(face_like(1, 250)).save(folder / "large.png")
    (folder / "broken.png").write_bytes((folder / "1.png").read_bytes()[:2000])
    (folder / "note.png").write_text("not a picture")
    return folder


def embedge(place: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "embedge", "verify", "tiny.embedge", *arguments],
        cwd=place,
        capture_output=True,
        text=True,
    )


def test_a_match_and_a_non_match_for_people(place: Path) -> None:
    done = embedge(place, "1.png", "1.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MATCH\n")
    assert "cosine     1.0000" in done.stdout
    assert "threshold  0.3000" in done.stdout
    assert "target 1e-04, measured 6.00e-05, at most 9.50e-05 with 95% confidence" in done.stdout
    assert "10,000,000 impostor pairs of 4,500 subjects (a test set)" in done.stdout
    assert embedge(place, "1.png", "2.png").stdout.startswith("NO MATCH\n")


def test_json_for_machines(place: Path) -> None:
    done = embedge(place, "1.png", "2.png", "--json", "--artifact", "fp32", "--threads", "1")
    answer = json.loads(done.stdout)
    assert answer["match"] is False
    assert answer["threshold"]["fmr_target"] == 1e-4
    assert answer["provider"] == "CPUExecutionProvider"


def test_exit_status(place: Path) -> None:
    assert embedge(place, "1.png", "2.png").returncode == 0
    assert embedge(place, "1.png", "2.png", "--exit-status").returncode == 1
    assert embedge(place, "1.png", "1.png", "--exit-status").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["1.png", "absent.png"], "E-IMAGE-MISSING"),
        (["1.png", "broken.png"], "E-IMAGE"),
        (["1.png", "note.png"], "E-IMAGE"),
        (["1.png", "large.png"], "E-NOT-ALIGNED"),
        (["1.png", "2.png", "--artifact", "int8"], "E-ARTIFACT"),
        (["1.png", "2.png", "--artifact", "raw"], "E-THRESHOLD"),
        (["1.png", "2.png", "--require-provider", "CUDAExecutionProvider"], "E-PROVIDER"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(place: Path, arguments: list[str], code: str) -> None:
    done = embedge(place, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"embedge: {code}: ")
    assert done.stderr.count("\n") == 1


def test_a_flipped_byte_is_exit_2(place: Path, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "tiny.embedge")
    data = bytearray((bundle / "student.fp32.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / "student.fp32.onnx").write_bytes(data)
    done = embedge(tmp_path, str(place / "1.png"), str(place / "2.png"))
    assert done.returncode == 2
    assert done.stderr.startswith("embedge: E-BUNDLE: ")
