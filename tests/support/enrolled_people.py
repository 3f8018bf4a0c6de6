"""People whom a teacher enrolled, and a bundle of a student that answers to them, or does not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from PIL import Image
from tiny_bundles import face_like, tiny_contract, tiny_onnx

from embedge.runtime import Artifact, write_bundle

__all__ = [
    "DIM",
    "FMR",
    "enrolled_people",
    "people_in",
    "student_bundle",
    "teacher_onnx",
    "without_metadata",
]

DIM, FMR = 64, 0.05
PEOPLE, EACH = 60, 3
NOISE = 110


def people_in(
    folder: Path, people: int = PEOPLE, each: int = EACH, *, noise: int = NOISE, seed: int = 0
) -> Path:
    """Each picture is a person's face under noise; more noise, more errors."""
    random = np.random.default_rng(seed)
    for person in range(people):
        face = face_like(1000 * seed + person).astype(np.int16)
        (folder / f"p{person:03d}").mkdir(parents=True)
        for number in range(1, each + 1):
            coarse = random.integers(-noise, noise, (7, 7, 3)).repeat(16, 0).repeat(16, 1)
            picture = np.clip(face + coarse, 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"p{person:03d}" / f"p{person:03d}_{number}.png")
    return folder


def teacher_onnx(path: Path, *, seed: int = 0, **changes: object) -> Path:
    path.write_bytes(tiny_onnx(tiny_contract(DIM, **changes), seed=seed))
    return path


def student_bundle(
    folder: Path,
    *,
    away: float = 0.1,
    seed: int = 0,
    provenance: Mapping[str, object] | None = None,
) -> Path:
    """Artifacts ever further from the teacher; `seed` other than 0 is a student of nobody here."""
    contract = tiny_contract(DIM)
    files, artifacts = {}, []
    for number, name in enumerate(("fp32", "fp16", "int8")):
        file = f"student.{name}.onnx"
        files[file] = _moved(tiny_onnx(contract, seed=seed), away * (1 + number / 2))
        artifacts.append(Artifact(name, file, name, 17, None))
    return write_bundle(
        folder,
        name=folder.stem,
        contract=contract,
        artifacts=artifacts,
        files=files,
        provenance=provenance or {"method": "test"},
        default_artifact="fp32",
    )


def enrolled_people(folder: Path) -> Path:
    """`faces`, `teacher.onnx`, `door.embedge`: everything that `embedge certify` wants."""
    people_in(folder / "faces")
    teacher_onnx(folder / "teacher.onnx")
    student_bundle(folder / "door.embedge")
    return folder


def _moved(data: bytes, away: float) -> bytes:
    model = onnx.load_model_from_string(data)
    weights = next(one for one in model.graph.initializer if one.name == "matrix")
    matrix = numpy_helper.to_array(weights)
    random = np.random.default_rng(7).normal(size=matrix.shape)
    moved = (matrix + away * random).astype(np.float32)
    weights.CopyFrom(numpy_helper.from_array(moved, "matrix"))
    return model.SerializeToString()


def without_metadata(path: Path) -> Path:
    """A foreign file: the same network, which does not say how it is fed."""
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path
