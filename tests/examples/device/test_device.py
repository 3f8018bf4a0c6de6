"""The device examples run, and a type checker finds nothing to say about them."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_cv2 import fake_cv2
from PIL import Image
from tiny_bundles import face_like, tiny_bundle
from tiny_detectors import constant_onnx, scrfd_outputs

from embedge.runtime import FaceMatcher, Gallery
from embedge.runtime.contract import ARCFACE_112

REPOSITORY = Path(__file__).parents[3]
EXAMPLES = REPOSITORY / "examples" / "device"
KEY = "5a" * 32


def scene(seed: int, noise: int = 0) -> np.ndarray:
    """A picture in which the detector of these tests finds its one face."""
    picture = np.zeros((128, 128, 3), np.uint8)
    face = face_like(seed).astype(int)
    face += np.random.default_rng(noise).integers(-8, 9, face.shape) if noise else 0
    picture[8:120, 8:120] = np.clip(face, 0, 255)
    return picture


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDGE_GALLERY_KEY", KEY)
    planted = (np.array([10.0, 10, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    Path("D.onnx").write_bytes(constant_onnx(scrfd_outputs([planted])))
    tiny_bundle(Path("LOCK.embedge"))
    for name, seed, noise in (("ann-1", 1, 0), ("ann-2", 1, 5), ("ben-1", 2, 0)):
        Image.fromarray(scene(seed, noise)).save(f"{name}.png")
        folder = Path("people") / name[:3]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(seed, noise)).save(folder / f"{name}.png")
    return tmp_path


def enrolled(place: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    program = importlib.import_module("device.enrol_folder")
    call = ["enrol_folder", "LOCK.embedge", "door.gallery", "people", "--detector", "D.onnx"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*call, *more])
        program.main()
    return capsys.readouterr().out


def test_a_folder_is_enrolled_but_for_what_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("people/ben/broken.png").write_bytes(b"no picture")
    said = enrolled(place, capsys)
    assert "refused: E-IMAGE: cannot decode the picture" in said
    assert said.endswith("door.gallery: 3 templates\n")
    with Gallery.open(Path("door.gallery"), key=bytes.fromhex(KEY)) as gallery:
        assert len(gallery) == 3


def test_the_camera_loop(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled(place, capsys)
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2([scene(1), scene(2), scene(9)]))
    sys.modules.pop("device.camera_loop", None)
    program = importlib.import_module("device.camera_loop")
    call = ["camera_loop", "LOCK.embedge", "door.gallery", "0", "--detector", "D.onnx"]
    monkeypatch.setattr(sys, "argv", call)
    program.main()
    assert capsys.readouterr().out == "['ann']\n['ben']\n['nobody']\n"


def test_the_camera_loop_on_opencv(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'embedge[camera]'")
    enrolled(place, capsys)
    writer = cv2.VideoWriter("v.avi", cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (128, 128))
    for seed in (1, 2):
        writer.write(np.ascontiguousarray(scene(seed)[..., ::-1]))
    writer.release()
    sys.modules.pop("device.camera_loop", None)
    program = importlib.import_module("device.camera_loop")
    with (
        FaceMatcher.load("LOCK.embedge", detector="D.onnx") as matcher,
        Gallery.open(Path("door.gallery"), key=bytes.fromhex(KEY)) as gallery,
    ):
        found = list(program.seen(matcher, gallery, "v.avi"))
    assert [[face.person for face in faces] for faces in found] == [["ann"], ["ben"]]


def test_the_service(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fastapi", reason="needs FastAPI")
    pytest.importorskip("httpx", reason="needs httpx, which FastAPI's test client is made of")
    pytest.importorskip("python_multipart", reason="needs python-multipart, for uploads")
    from fastapi.testclient import TestClient

    enrolled(place, capsys)
    for name, value in {
        "LOCK": "LOCK.embedge",
        "GALLERY": "door.gallery",
        "DETECTOR": "D.onnx",
    }.items():
        monkeypatch.setenv(name, value)
    with TestClient(importlib.import_module("device.service").app) as client:
        (face,) = client.post("/identify", files={"picture": Path("ann-2.png").read_bytes()}).json()
        assert (face["person"], face["refused"]) == ("ann", [])
        answer = client.post("/identify", files={"picture": b"no picture"})
        assert (answer.status_code, answer.json()["detail"]["code"]) == (422, "E-IMAGE")


def test_the_notebook_runs_cell_by_cell(place: Path) -> None:
    notebook = json.loads((EXAMPLES / "first_look.ipynb").read_text())
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            assert not cell["outputs"]  # what a reader runs is the reader's own
    assert names["same"].match  # type: ignore[attr-defined]
    assert not names["other"].match  # type: ignore[attr-defined]
    assert names["found"].person == "ann"  # type: ignore[attr-defined]


def test_a_strict_type_checker_is_content() -> None:
    pytest.importorskip("mypy", reason="needs the dev extra")
    files = sorted(map(str, EXAMPLES.glob("*.py")))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *files],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stdout
