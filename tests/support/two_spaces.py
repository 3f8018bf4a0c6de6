"""Two made-up networks that see the same made-up people, each in its own words."""

import numpy as np

__all__ = ["people", "rotation", "strangers", "unit"]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def rotation(dim: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dim, dim)))[0]


def _seen(faces: np.ndarray, dims: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each network turns a face its own way, bends it, and errs a little."""
    random = np.random.default_rng(seed)
    rows = []
    for number, dim in enumerate(dims):
        words = np.random.default_rng(100 + number).normal(size=(faces.shape[1], dim))
        bent = faces @ words
        bent += 0.2 * np.abs(bent) + 0.5 * random.normal(size=bent.shape)
        rows.append(unit(bent))
    return rows[0], rows[1]


def strangers(
    count: int, dims: tuple[int, int] = (48, 40), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    faces = np.random.default_rng(seed).normal(size=(count, 24))
    return _seen(faces, dims, seed + 1)


def people(
    count: int, pictures: int = 3, dims: tuple[int, int] = (48, 40), seed: int = 50
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Old rows, new rows and labels: a person's pictures differ by a third of what people do."""
    random = np.random.default_rng(seed)
    faces = np.repeat(random.normal(size=(count, 24)), pictures, axis=0)
    faces = faces + 0.35 * random.normal(size=faces.shape)
    return *_seen(faces, dims, seed + 1), np.repeat(np.arange(count), pictures)
