"""People in folders whose pictures are one face under noise."""

from pathlib import Path

import numpy as np
from PIL import Image
from tiny_bundles import face_like


def picture(person: int, number: int) -> str:
    return f"p{person:02d}/p{person:02d}_{number:04d}.png"


def noisy_people(folder: Path, people: int, each: int) -> None:
    generator = np.random.default_rng(0)
    for person in range(people):
        face = face_like(100 + person).astype(np.int16)
        (folder / f"p{person:02d}").mkdir(parents=True)
        for number in range(1, each + 1):
            noisy = np.clip(face + generator.integers(-25, 25, face.shape), 0, 255)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / picture(person, number))
