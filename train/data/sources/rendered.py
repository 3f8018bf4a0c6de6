"""Rendered faces as a face set on disk."""

import os
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from embedge.files import sha256_json, whole_file
from embedge.progress import Progress
from embedge.train.data.dataset import FaceSet
from embedge.train.render import FaceRenderer, render_stream

__all__ = ["render_face_set", "rendered_fingerprint"]


def rendered_fingerprint(seed: int, first: int, identities: int, per_identity: int) -> str:
    """Rendering is a function of these numbers, so they identify the pictures."""
    return sha256_json(
        {
            **FaceRenderer(seed).fingerprint,
            "first": first,
            "identities": identities,
            "per_identity": per_identity,
        }
    )


def render_face_set(
    name: str,
    folder: Path,
    *,
    seed: int,
    first: int,
    identities: int,
    per_identity: int,
    progress: Progress,
) -> FaceSet:
    """Render identities first … first+identities−1 into `folder` and return them mapped."""
    labels = np.repeat(np.arange(identities), per_identity)
    samples = np.tile(np.arange(per_identity), identities)
    workers = os.cpu_count() or 1
    stream = render_stream(FaceRenderer(seed), first + labels, samples, workers=workers)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        whole_file(folder / "images.npy") as part,
        part.open("wb") as file,
        progress.task(f"rendering {name}", len(labels)) as task,
    ):
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(labels), 112, 112, 3)}
        npy.write_array_header_1_0(file, header)
        for some in stream:
            file.write(np.ascontiguousarray(some.images).tobytes())
            task.advance(len(some.images))
    faces = FaceSet(
        name,
        np.load(folder / "images.npy", mmap_mode="r"),
        labels,
        tuple(f"rendered-{seed}-{first + label}" for label in range(identities)),
        rendered_fingerprint(seed, first, identities, per_identity),
    )
    faces.save(folder)
    return faces
