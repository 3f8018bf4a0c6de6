"""The commands of the pages run, in the order of their page, on small made-up things.

What takes minutes, a device or the network is read by the parser only: CONTRIBUTING.md lists it.
"""

import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from enrolled_people import people_in, teacher_onnx, without_metadata
from face_sets import encoded
from fake_cv2 import fake_cv2
from PIL import Image
from sample_report import sample_report
from shown_commands import PAGES, REPOSITORY, commands_of, one_command
from tiny_bundles import face_like, tiny_contract, tiny_onnx, tiny_threshold
from tiny_detectors import constant_onnx, yunet_outputs
from tiny_ijb import tiny_ijb
from two_spaces import people, strangers

from embedge.cli import main
from embedge.runtime import Artifact, write_bundle
from embedge.runtime.contract import ARCFACE_112
from embedge.typed import plain

ELSEWHERE = {  # their own tests run all of them
    "docs/runtime.md": "test_runtime_guide.py",
    "docs/bundle.md": "test_bundle_command.py",
    "docs/reference/selftest.md": "test_selftest_guide.py",
    "docs/reference/certificate.md": "test_papers_guide.py",
    "docs/reference/dossier.md": "test_papers_guide.py",
    "docs/tutorial.md": "../real/test_tutorial.py",
}
QUICK = {  # what shortens a command; the rest of it stands as it is on the page
    "quantize": ["--seconds", "0.1", "--count", "24", "--fmr", "0.05"],
    "bench": ["--seconds", "0.1"],
    "bridge": ["--fmr", "0.05"],
    "certify": ["--fmr", "0.05", "--margin", "0.2"],
    "dossier": ["--fmr", "0.05"],
}
BEFORE = {  # what a page takes for granted
    "README.md": [
        "embedge bundle add-detector lock/lock.embedge D.onnx",
        "embedge enroll OLD GALLERY ann ann.png",
    ],
    "docs/changing-the-model.md": [
        "embedge gallery new-key KEY",
        "embedge enroll OLD GALLERY ann ann.png --key-file KEY",
    ],
    "docs/camera.md": [
        "embedge bundle add-detector LOCK.embedge D.onnx",
        "embedge enroll LOCK.embedge door.gallery ann ann.png",
    ],
}
MAKES_FACES = ("README.md", "docs/data.md")
TOLD = (REPOSITORY / "CONTRIBUTING.md").read_text()
# a fixture of five hundred pictures waits long on a busy machine
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the pages name, under the names that they use."""
    folder = tmp_path_factory.mktemp("guides")
    _people(folder)
    _models(folder)
    _tables(folder)
    return folder


def _people(folder: Path) -> None:
    people_in(folder / "faces", 60, 3, noise=60)
    people_in(folder / "UNLABELLED", 160, 2, noise=60, seed=1)
    for path in (folder / "faces").rglob("*.png"):
        photo = folder / "PHOTOS" / path.relative_to(folder / "faces")
        photo.parent.mkdir(parents=True, exist_ok=True)
        scene = Image.new("RGB", (128, 128), (200, 150, 120))
        scene.paste(Image.open(path), (8, 8))
        scene.save(photo)
    (folder / "SOURCE").symlink_to("faces")
    for name, seed in (("a", 1), ("b", 1), ("ann", 2)):
        Image.fromarray(face_like(seed)).save(folder / f"{name}.png")
        Image.fromarray(face_like(seed)).save(folder / f"{name}.jpg")
    grain = np.random.default_rng(2).integers(-60, 61, (40, 112, 112, 3))  # or they would be copies
    faces = [np.clip(face_like(n // 2) + grain[n], 0, 255).astype(np.uint8) for n in range(40)]
    packed = [encoded(face, "PNG") for face in faces]
    (folder / "lfw.bin").write_bytes(pickle.dumps((packed, [True] * 20)))
    tiny_ijb(folder / "IJBC")


def _models(folder: Path) -> None:
    for name in ("T", "a", "b", "student"):
        teacher_onnx(folder / f"{name}.onnx", seed=name == "b")
    without_metadata(teacher_onnx(folder / "MODEL.onnx"))
    planted = (np.array([8.0, 8, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    detector = constant_onnx(yunet_outputs([planted]))
    for name in ("D", "DETECTOR"):
        (folder / f"{name}.onnx").write_bytes(detector)
    for name in ("LOCK", "lock", "door", "faces", "student", "lock/lock", "A", "B"):
        _bundle(folder / f"{name}.embedge", 0)
    for name in ("BUNDLE", "OLD", "TEACHER", "MODEL"):
        _bundle(folder / name, 0)
    for name in ("NEW", "NEW.embedge"):
        _bundle(folder / name, 0, space="another", model="n" * 64)


def _bundle(folder: Path, seed: int, **changes: object) -> None:
    contract = tiny_contract(64, **changes)
    write_bundle(
        folder,
        name=folder.stem,
        contract=contract,
        artifacts=[
            Artifact(name, "student.fp32.onnx", "fp32", 17, tiny_threshold(0.5))
            for name in ("fp32", "int8-cpu")
        ],
        files={"student.fp32.onnx": tiny_onnx(contract, seed=seed)},
        provenance={"method": "test"},
        default_artifact="fp32",
    )


def _tables(folder: Path) -> None:
    for name in (
        "report",
        "A/report",
        "B/report",
        "before/report",
        "after/report",
        "device/report",
    ):
        path = folder / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(plain(sample_report())))
    size = {"artifact": "fp32", "at_most_bytes": 20_000_000}
    for name in ("p.yaml", "policy.yaml"):
        (folder / name).write_text(json.dumps({"policy": "embedge.policy/2", "size": [size]}))
    for name, rows in zip(("w600k_mbf", "insightface_y1"), strangers(1200)):
        np.save(folder / f"{name}.npy", rows)
    old, new, labels = people(80)
    np.save(folder / "people-w600k_mbf.npy", old)
    np.save(folder / "people-insightface_y1.npy", new)
    (folder / "people.txt").write_text("\n".join(f"person {n}" for n in labels))
    kinds = [f"p{n:03d}\t{'ab'[n % 2]}" for n in range(60)]
    (folder / "FILE").write_text("\n".join(["NAME\tkind", *kinds]))
    pair = "{fold}\tp{n:03d}/p{n:03d}_1.png\tp{m:03d}/p{m:03d}_2.png\t{same}"
    lines = [
        pair.format(fold=n // 20, n=n, m=n if same else n // 20 * 20 + (n + 1) % 20, same=same)
        for n in range(60)
        for same in (1, 0)
    ]
    (folder / "pairs.tsv").write_text("\n".join(lines))
    (folder / "visit.mp4").write_bytes(b"a stand-in for OpenCV reads it")
    (folder / "open-the-door").write_text("#!/bin/sh\n")
    (folder / "open-the-door").chmod(0o755)


@pytest.fixture
def place(things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(things, tmp_path / "at", symlinks=True)
    monkeypatch.chdir(tmp_path / "at")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("EMBEDGE_GALLERY_KEY", "5a" * 32)
    frames = [np.array(Image.open(path)) for path in sorted((things / "PHOTOS" / "p000").iterdir())]
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(frames * 3))
    return tmp_path / "at"


def only_parsed() -> dict[str, list[str]]:
    """As CONTRIBUTING.md tells it: a page, and how its commands begin that no test runs."""
    rows = re.findall(r"^\| \[[^]]+\]\(([^)]+)\) \| (`.+`) \|", TOLD, re.MULTILINE)
    return {page: re.findall(r"`([^`]+)`", cells) for page, cells in rows}


def names() -> list[str]:
    shown = [page.relative_to(REPOSITORY).as_posix() for page in PAGES if commands_of(page)]
    return [name for name in shown if name not in ELSEWHERE]


@pytest.mark.parametrize("name", names())
def test_the_commands_of_a_page(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name not in MAKES_FACES:
        for given in ("FACES", "PEOPLE"):
            (place / given).symlink_to("faces")
    for line in [*BEFORE.get(name, ()), *commands_of(REPOSITORY / name)]:
        if line.startswith(tuple(only_parsed().get(name, ()))):
            continue
        command, *words = one_command(line)
        status = main([*command.split(), *words, *QUICK.get(command, ())])
        assert status == 0, (line, capsys.readouterr().err)


def test_what_only_the_parser_reads_is_on_the_pages() -> None:
    for name, beginnings in only_parsed().items():
        shown = commands_of(REPOSITORY / name)
        for beginning in beginnings:
            assert any(line.startswith(beginning) for line in shown), (name, beginning)


def test_pages_with_a_test_of_their_own() -> None:
    for page, test in ELSEWHERE.items():
        assert commands_of(REPOSITORY / page)
        assert Path(page).stem in (Path(__file__).parent / test).read_text()
