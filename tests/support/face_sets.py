"""Small sets of faces for tests: every face is told apart by its mean level."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from embedge.progress import Progress
from embedge.train.data.dataset import FaceDataset, FaceSet
from embedge.train.data.tools.convert import Converted, convert

PEOPLE, EACH = 5, 4


def face(person: int, number: int) -> np.ndarray:
    """A smooth picture, so that JPEG hardly changes it."""
    ramp = np.linspace(0, 20, 112)[None, :, None] + np.linspace(0, 10, 112)[:, None, None]
    return (ramp + 40 * person + 8 * number).repeat(3, axis=2).astype(np.uint8)


def encoded(picture: np.ndarray, form: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, form, **({"quality": 95} if form == "JPEG" else {}))
    return buffer.getvalue()


def converted(
    faces: FaceDataset,
    target: Path,
    form: str,
    progress: Progress,
    *,
    skip_corrupt: bool = False,
    quality: int = 95,
    per_shard: int = 4096,
) -> Converted:
    how = {"quality": quality, "per_shard": per_shard}
    return convert(faces, target, form, progress, skip_corrupt=skip_corrupt, **how)


def face_set() -> FaceSet:
    pairs = [(person, number) for person in range(PEOPLE) for number in range(EACH)]
    images = np.stack([face(*pair) for pair in pairs])
    labels = np.array([person for person, _ in pairs])
    return FaceSet("toy", images, labels, tuple(f"p{n}" for n in range(PEOPLE)), "toy-print")


def face_folder(root: Path) -> Path:
    for person in range(PEOPLE):
        for number in range(EACH):
            path = root / f"p{person}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(face(person, number)))
    return root
