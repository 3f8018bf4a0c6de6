"""How fast faces are rendered, and how hard they are for raw pixels.

    python benchmarks/render.py

Claims: at least 300 aligned faces a second on two cores; the nearest neighbour on raw pixels finds
the right person in under 60 % of pictures of unseen people (100 people x 10 pictures).
"""

import argparse
import sys
import time
from typing import Any

import numpy as np
from provenance import provenance, write_result

from embedge.train.render import RENDERER_VERSION, FaceRenderer, render_stream

PEOPLE, PICTURES = 100, 10
FIRST = 1_000_000  # far from every identity that a recipe trains on


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    result = {
        "claim": {"faces_per_second": 300, "raw_pixel_rank1_below": 0.6},
        "speed": _speed(options.faces, options.workers),
        "raw_pixels": _raw_pixels(options.workers),
    }
    facts = {**provenance("pillow"), "renderer": RENDERER_VERSION}
    write_result("render", {"provenance": facts, **result})
    print(f"{result['speed']['faces_per_second']:.0f} faces/s with {options.workers} workers")
    print(f"raw pixels: {result['raw_pixels']}")
    return 0


def _speed(faces: int, workers: int) -> dict[str, Any]:
    """Clocked from the first finished chunk on, so that starting the workers does not count."""
    people, samples = np.arange(faces) // 10, np.arange(faces) % 10
    stream = render_stream(FaceRenderer(), people, samples, workers=workers, chunk=128)
    warm = sum(len(next(stream).images) for _ in range(workers))
    start = time.perf_counter()
    done = sum(len(part.images) for part in stream)
    seconds = time.perf_counter() - start
    return {
        "faces": done,
        "warm_up": warm,
        "workers": workers,
        "seconds": round(seconds, 3),
        "faces_per_second": round(done / seconds, 1),
    }


def _raw_pixels(workers: int) -> dict[str, float]:
    people = np.repeat(np.arange(PEOPLE), PICTURES)
    samples = np.tile(np.arange(PICTURES), PEOPLE)
    stream = render_stream(FaceRenderer(), FIRST + people, samples, workers=workers, chunk=128)
    images = np.concatenate([part.images for part in stream]).astype(np.float32)
    flat = images.reshape(len(images), -1)
    middle = images.mean(axis=3)[:, 16:104, 16:96].reshape(len(images), -1)
    return {
        "cosine_rank1": _rank1(flat, people),
        "correlation_rank1": _rank1(flat - flat.mean(axis=1, keepdims=True), people),
        "grey_middle_correlation_rank1": _rank1(
            middle - middle.mean(axis=1, keepdims=True), people
        ),
        "grey_middle_correlation_rank1_one_picture_gallery": _gallery_rank1(
            middle - middle.mean(axis=1, keepdims=True), people
        ),
    }


def _scores(features: np.ndarray) -> np.ndarray:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


def _rank1(features: np.ndarray, people: np.ndarray) -> float:
    """Is the nearest other picture of the same person?"""
    scores = _scores(features)
    np.fill_diagonal(scores, -np.inf)
    return round(float((people[scores.argmax(axis=1)] == people).mean()), 4)


def _gallery_rank1(features: np.ndarray, people: np.ndarray) -> float:
    """One picture of each person is enrolled, the others are probes."""
    gallery = np.arange(0, len(people), PICTURES)
    probes = np.setdiff1d(np.arange(len(people)), gallery)
    nearest = _scores(features)[np.ix_(probes, gallery)].argmax(axis=1)
    return round(float((people[gallery][nearest] == people[probes]).mean()), 4)


if __name__ == "__main__":
    sys.exit(main())
