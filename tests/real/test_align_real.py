"""Real photos through `embedge data align`: the reference landmarks, and a training's own door."""

from pathlib import Path

import numpy as np
import pytest

from embedge.cli import main
from embedge.runtime.picture.images import rgb_from_picture
from embedge.train.data import open_faces

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def aligned(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("aligned") / "faces"
    detector = real / "models" / "scrfd_2.5g_bnkps.onnx"
    call = ["data", "align", str(real / "photos"), str(out), "--detector", str(detector)]
    assert main([*call, "--face", "central", "--detector-size", "320"]) == 0
    return out


def rows(path: Path, skipped: int, first: int) -> dict[str, np.ndarray]:
    lines = [line.split("\t") for line in path.read_text().splitlines()[skipped:]]
    return {line[0]: np.array(line[first:], float).reshape(5, 2) for line in lines}


def test_the_landmarks_are_those_of_the_reference(real: Path, aligned: Path) -> None:
    expected = rows(real / "photos-landmarks.tsv", 1, 2)
    found = rows(aligned / "landmarks.tsv", 2, 3)
    assert found.keys() == expected.keys()
    # another resize than the reference's, as in test_real_faces
    assert max(np.abs(found[name] - expected[name]).max() for name in expected) < 3.0


def test_every_person_has_both_faces_and_they_are_the_reference_crops(
    real: Path, aligned: Path
) -> None:
    faces = open_faces(aligned)
    assert (len(faces), faces.classes) == (120, 60)
    names = [faces.record_name(index) for index in range(len(faces))]
    expected = np.stack([rgb_from_picture(real / "lfw-dev" / name) for name in names]).astype(int)
    apart = np.array(
        [np.abs(faces.read(i) - expected).mean(axis=(1, 2, 3)) for i in range(len(faces))]
    )
    assert (apart.argmin(axis=1) == np.arange(len(faces))).all()
    assert np.median(np.diag(apart)) < 6 < 30 < np.median(apart)


def test_photos_as_training_data_are_told_how_to_become_it(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["data", "convert", str(real / "photos"), str(tmp_path / "out"), "--to", "pixels"]
    assert main(call) == 2
    said = capsys.readouterr().err
    assert "E-NOT-ALIGNED" in said
    assert "250×250" in said
    assert "embedge data align PHOTOS FACES --detector DETECTOR.onnx" in said
