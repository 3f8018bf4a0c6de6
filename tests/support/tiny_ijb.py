"""A small set in the official IJB-C layout, and an encoder for it."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tiny_bundles import face_like

from embedge.runtime.contract import ARCFACE_112, EmbeddingContract

SUBJECTS = 20


class LinearEncoder:
    """A fixed random projection of the pixels, on rows of their own length."""

    provider = "test"

    def __init__(self, flip: Literal["none", "sum"] = "sum") -> None:
        self.contract = EmbeddingContract("space", "0" * 64, 16, flip=flip)
        self.seen = 0
        pixels = 112 * 112 * 3 // 64
        matrix = np.random.default_rng(0).normal(size=(pixels, 16)) / pixels**0.5
        self._matrix = matrix.astype(np.float32)

    def features(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        rows = self._rows(images)
        return rows + self._rows(images[:, :, ::-1]) if self.contract.flip == "sum" else rows

    def _rows(self, images: np.ndarray) -> np.ndarray:
        small = images.reshape(len(images), 14, 8, 14, 8, 3).mean(axis=(2, 4))
        return (small.reshape(len(images), -1) / 127.5 - 1).astype(np.float32) @ self._matrix


def tiny_ijb(root: Path) -> Path:
    """Templates of one to three media, media of one to three frames; one picture is broken.

    Gallery G1 holds subjects 0-9, G2 the others; every subject searches three times.
    """
    generator = np.random.default_rng(7)
    (root / "meta").mkdir(parents=True)
    (root / "loose_crop").mkdir()
    faces, owners = [], []
    gallery: tuple[list[str], list[str]] = [], []
    probes: list[str] = []
    picture = 0
    for subject in range(SUBJECTS):
        face = face_like(500 + subject, 140).astype(float)
        for copy in range(4):
            template = 1000 + 7 * (copy * SUBJECTS + subject)
            side = gallery[subject // 10] if copy == 0 else probes
            side.append(f"{template},{subject + 300},x.jpg")
            for medium in range(int(generator.integers(1, 4))):
                for _ in range(int(generator.integers(1, 4))):
                    picture += 1
                    faces.append(_face(root, picture, face, generator))
                    owners.append(f"{picture}.png {template} {100 * template + medium}")
    (root / "loose_crop" / "5.png").write_bytes(b"broken")
    # the last template has a single picture, and that one is broken: a failure to enrol
    lonely = 1000 + 7 * 4 * SUBJECTS
    picture += 1
    faces.append(_face(root, picture, face, generator))
    owners.append(f"{picture}.png {lonely} {100 * lonely}")
    probes.append(f"{lonely},{SUBJECTS + 299},x.jpg")
    (root / "loose_crop" / f"{picture}.png").write_bytes(b"broken")
    order = generator.permutation(len(faces))
    _write(root, "name_5pts_score.txt", [faces[number] for number in order])
    _write(root, "face_tid_mid.txt", [owners[number] for number in order])
    header = "TEMPLATE_ID,SUBJECT_ID,FILENAME"
    _write(root, "1N_gallery_G1.csv", [header, *gallery[0]])
    _write(root, "1N_gallery_G2.csv", [header, *gallery[1]])
    _write(root, "1N_probe_mixed.csv", [header, *probes])
    ids = [int(line.split(",")[0]) for line in [*gallery[0], *gallery[1], *probes]]
    whose = [line.split(",")[1] for line in [*gallery[0], *gallery[1], *probes]]
    pairs = [
        f"{ids[a]} {ids[b]} {int(whose[a] == whose[b])}"
        for a in range(len(ids))
        for b in range(a + 1, len(ids))
    ]
    _write(root, "template_pair_label.txt", pairs)
    return root


def _face(root: Path, number: int, face: np.ndarray, generator: np.random.Generator) -> str:
    other = face_like(int(generator.integers(1_000_000)), 140)
    mixed = 0.42 * face + 0.58 * other + generator.normal(0, 20, face.shape)
    noisy = np.clip(mixed, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(root / "loose_crop" / f"{number}.png")
    points = np.asarray(ARCFACE_112) + 14 + generator.normal(0, 1.5, (5, 2))
    text = " ".join(f"{value:.4f}" for value in points.ravel())
    return f"{number}.png {text} {generator.uniform(0.5, 1):.6f}"


def _write(root: Path, name: str, lines: list[str]) -> None:
    (root / "meta" / f"ijbc_{name}").write_text("\n".join(lines) + "\n")
