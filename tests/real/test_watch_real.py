"""A video made of real photos, through `embedge watch`: by a stand-in, and by OpenCV."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_cv2 import fake_cv2

from embedge.cli import main
from embedge.files import sha256_file
from embedge.runtime import Artifact, EmbeddingContract, Threshold, write_bundle
from embedge.runtime.gallery.keys import KEY_VARIABLE
from embedge.runtime.picture.images import rgb_from_picture

pytestmark = pytest.mark.real

KNOWN = ("Barry_Zito", "Cate_Blanchett", "Edmund_Stoiber")
PASSING = ("Cate_Blanchett", "Alvaro_Noboa", "Barry_Zito")  # the one between is not enrolled


@pytest.fixture(scope="module")
def door(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = real / "models" / "w600k_mbf.onnx"
    digest = sha256_file(model)
    threshold = Threshold(0.3, 1e-3, 0.0, 1e-3, 0.95, 10**7, 5000, "for this test only", digest)
    return write_bundle(
        tmp_path_factory.mktemp("door") / "door.embedge",
        name="door",
        contract=EmbeddingContract(space=digest, model=digest, dim=512),
        artifacts=[Artifact("fp32", "student.fp32.onnx", "fp32", 12, threshold)],
        files={"student.fp32.onnx": model, "d.onnx": real / "models" / "scrfd_500m_kps.onnx"},
        provenance={},
        default_artifact="fp32",
        extras={"detector": {"file": "d.onnx", "sizes": [320]}},
    )


def photo(real: Path, person: str, number: int) -> Path:
    return real / "photos" / person / f"{person}_000{number}.jpg"


def frames(real: Path) -> list[np.ndarray]:
    """Each walks a little to the side for eight frames, then nobody is there for twelve."""
    found = []
    for person in PASSING:
        picture = rgb_from_picture(photo(real, person, 2))
        for step in range(8):
            scene = np.full((250, 300, 3), 70, np.uint8)
            scene[:, 4 * step : 4 * step + 250] = picture
            found.append(scene)
        found += [np.full((250, 300, 3), 70, np.uint8)] * 12
    return found


@pytest.fixture
def gallery(real: Path, door: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(KEY_VARIABLE, "5a" * 32)
    file = tmp_path / "door.gallery"
    for person in KNOWN:
        call = ["enroll", str(door), str(file), person, str(photo(real, person, 1))]
        assert main([*call, "--face", "central"]) == 0
    return file


def events(door: Path, gallery: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> list:
    capsys.readouterr()
    assert main(["watch", str(door), str(gallery), "--camera", str(video)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def is_as_it_was(found: list) -> None:
    assert [one["person"] for one in found] == ["Cate_Blanchett", None, "Barry_Zito"]
    assert [one["event"] for one in found] == ["person", "stranger", "person"]
    assert [one["time"] for one in found] == [0.2, 2.4, 4.2]


def test_a_video_by_a_stand_in(
    real: Path,
    door: Path,
    gallery: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(frames(real)))
    (tmp_path / "video.mp4").write_bytes(b"")
    is_as_it_was(events(door, gallery, tmp_path / "video.mp4", capsys))


def test_a_video_by_opencv(
    real: Path, door: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install 'embedge[camera]'")
    video = tmp_path / "video.mp4"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (300, 250))
    for frame in frames(real):
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    is_as_it_was(events(door, gallery, video, capsys))
