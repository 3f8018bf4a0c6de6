"""How real networks want to be fed: right ways are confirmed, swapped colours refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embedge.errors import EmbedgeError
from embedge.train.teachers import OnnxTeacher
from embedge.train.teachers.onnx_teacher import confirm_preprocessing

pytestmark = pytest.mark.real

PEOPLE, EACH = 24, 3
Faces = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def faces(real: Path) -> Faces:
    folders = [one for one in sorted((real / "lfw-dev").iterdir()) if len(list(one.iterdir())) > 2]
    pictures = [path for one in folders[:PEOPLE] for path in sorted(one.iterdir())[:EACH]]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in pictures]
    return np.stack(images), np.repeat(np.arange(PEOPLE), EACH)


@pytest.mark.parametrize(
    ("model", "right"),
    [
        ("w600k_mbf", "rgb-scaled"),
        pytest.param("insightface_y1", "rgb-scaled", marks=pytest.mark.slow),  # as the first
        ("foamliu_mbf", "rgb-imagenet"),
    ],
)
def test_the_right_way_is_confirmed_and_swapped_colours_are_not(
    real: Path, faces: Faces, model: str, right: str
) -> None:
    file = real / "models" / f"{model}.onnx"
    rates = confirm_preprocessing(OnnxTeacher(file, right), *faces)
    assert rates[right] <= min(rates.values()) + 0.01
    with pytest.raises(EmbedgeError, match=r"E-TEACHER-INPUT.*fed bgr-scaled"):
        confirm_preprocessing(OnnxTeacher(file, "bgr-scaled"), *faces)
