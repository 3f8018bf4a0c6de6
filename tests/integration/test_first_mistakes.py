"""A person's first five mistakes: each is answered by one sentence that mends it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundles import face_like, tiny_bundle
from tiny_detectors import constant_onnx, yunet_outputs

from embedge.runtime.contract import ARCFACE_112
from embedge.train.teachers import SHIPPED


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a detector, a photo, and photos of a hundred people who were never aligned."""
    folder = tmp_path_factory.mktemp("first")
    tiny_bundle(folder / "lock.embedge")
    planted = (np.array([8.0, 8, 120, 120]), np.array(ARCFACE_112) + 8, 0.9)
    (folder / "d.onnx").write_bytes(constant_onnx(yunet_outputs([planted])))
    photo = np.full((128, 128, 3), (200, 150, 120), np.uint8)
    photo[20:110, 40:60] -= 60
    Image.fromarray(photo).save(folder / "photo.png")
    for person in range(100):
        (folder / "photos" / f"p{person}").mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(face_like(person, 128))
            picture.save(folder / "photos" / f"p{person}" / f"{number}.jpg")
    return folder


def answer(place: Path, *command: str) -> str:
    """The one sentence on the terminal; nothing else may stand there."""
    environment = {**os.environ, "EMBEDGE_GALLERY_KEY": "5a" * 32}
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("embedge: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    return lines[0]


def embedge(place: Path, *arguments: object) -> str:
    return answer(place, sys.executable, "-m", "embedge", *map(str, arguments))


def test_a_wrong_path(place: Path) -> None:
    said = embedge(
        place, "verify", "lock.embedge", "photo.png", "nobody.jpg", "--detector", "d.onnx"
    )
    assert said == (
        "embedge: E-IMAGE-MISSING: cannot read the picture: No such file or directory (nobody.jpg)."
        " Check the path and its permissions"
    )
    said = embedge(place, "data", "align", "photo", "out", "--detector", "d.onnx")
    assert "E-DATA-MISSING: there is no such folder of photos (photo). Check the path" in said
    said = embedge(place, "verify", "lock", "photo.png", "photo.png")
    assert "E-BUNDLE-MISSING" in said
    assert "Give a folder NAME.embedge or its .zip" in said


def test_several_wrong_paths_are_told_at_once(place: Path) -> None:
    said = embedge(
        place, *("distill-and-export", "faecs", "--teacher", "t.onnx", "--detector", "x.onnx")
    )
    assert said == (
        "embedge: E-FILES: these are not there: FACES faecs, --teacher t.onnx, --detector x.onnx."
        " Check the paths"
    )


def test_photos_that_were_never_aligned(place: Path) -> None:
    said = embedge(place, "distill-and-export", "photos", "--teacher", SHIPPED, "--out", "run")
    assert "E-NOT-ALIGNED: these are photos, not aligned faces of 112×112 pixels: " in said
    assert "embedge data align PHOTOS FACES --detector DETECTOR.onnx" in said
    said = embedge(place, "verify", "lock.embedge", "photo.png", "photo.png")
    assert "E-NOT-ALIGNED: the picture is 128×128, an aligned crop is 112×112" in said
    assert "--detector FILE.onnx" in said


def test_too_few_people(place: Path) -> None:
    said = embedge(place, "distill-and-export", "rendered:60x2", "--teacher", SHIPPED)
    assert "E-DATA-FEW: 60 people are too few" in said
    assert "Bring 40 more people" in said
    assert "--data.held_out" in said


PYTHON = """
import sys
import numpy as np
from PIL import Image
from embedge.runtime import EmbedgeError, FaceMatcher

picture = {picture}
with FaceMatcher.load("lock.embedge", detector="d.onnx") as matcher:
    try:
        matcher.embed(picture)
    except EmbedgeError as error:
        sys.exit(print(f"embedge: {{error}}", file=sys.stderr) or 2)
"""


@pytest.mark.parametrize(
    ("picture", "code", "remedy"),
    [
        ('np.asarray(Image.open("photo.png"))[..., ::-1]', "E-COLOUR", 'Say colour="BGR"'),
        ("None", "E-IMAGE-NONE", "Check the path"),
        ('np.asarray(Image.open("photo.png")) / 255', "E-IMAGE-ARRAY", "Give uint8 from 0 to 255"),
    ],
)
def test_an_array_of_opencv(place: Path, picture: str, code: str, remedy: str) -> None:
    said = answer(place, sys.executable, "-c", PYTHON.format(picture=picture))
    assert said.startswith(f"embedge: {code}: ")
    assert remedy in said


@pytest.mark.parametrize(
    ("absent", "call", "line"),
    [
        ("torch", ["distill-and-export", "--demo"], "pip install 'embedge[train,export]'"),
        ("pydantic", ["distill-and-export", "--demo"], "pip install 'embedge[train,export]'"),
        (
            "cv2",
            ["watch", "lock.embedge", "door.gallery", "--camera", "0", "--detector", "d.onnx"],
            "pip install 'embedge[camera]'",
        ),
    ],
)
def test_an_extra_that_is_not_installed(
    place: Path, absent: str, call: list[str], line: str
) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from embedge.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    said = answer(place, sys.executable, "-c", code, *call)
    assert said.startswith("embedge: E-EXTRA: ")
    assert line in said
