"""A teacher seen through a linear map: fewer dimensions, or a shape that suits the student.

The map is stored beside the teacher. A gallery that the teacher enrolled is carried over by one
matrix product; nobody has to come again.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json, whole_file
from embedge.runtime.picture.images import RgbImage
from embedge.train.models.cost import NetworkCost
from embedge.train.teachers.teacher import Rows, Teacher

__all__ = ["MAP_FILE", "MappedTeacher", "principal_map", "save_map"]

MAP_FILE = "map.safetensors"


class MappedTeacher(Teacher):
    """`matrix` (dim, dim of the teacher)."""

    def __init__(self, teacher: Teacher, matrix: Tensor, digest: str):
        self.teacher, self.matrix, self.digest = teacher, matrix, digest
        self.kind = f"mapped {teacher.kind}"
        self.dim = len(matrix)
        self.identities = teacher.identities
        if teacher.head is not None:
            self.head = torch.nn.functional.normalize(teacher.head @ matrix.T)

    @classmethod
    def load(cls, teacher: Teacher, path: Path) -> "MappedTeacher":
        try:
            matrix = load_file(path)["map"].float()
        except Exception as error:  # safetensors has its own exception type per defect
            raise EmbedgeError(
                "E-TEACHER", f"cannot read the map: {error}", where=path, remedy="Restore the file"
            ) from error
        digest = sha256_json({"teacher": teacher.digest, "map": sha256_file(path)})
        return cls(teacher, matrix, digest)

    def features(self, images: RgbImage) -> Rows:
        return self.carried(self.teacher.features(images))

    def carried(self, rows: Rows) -> Rows:
        """Embeddings of the teacher, as this one would have given them."""
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / lengths @ self.matrix.numpy().T, np.float32)

    def cost(self) -> NetworkCost:
        return self.teacher.cost()


def save_map(folder: Path, matrix: Tensor) -> None:
    with whole_file(folder / MAP_FILE) as part:
        save_file({"map": matrix.detach().float().contiguous()}, part)


def principal_map(head: Tensor, dim: int) -> tuple[Tensor, float]:
    """The `dim` directions that hold most of a head, and the share of it that they hold.

    Uncentred: the map is linear and rotates nothing, so cosines between classes suffer least.
    """
    if dim > min(head.shape):
        raise EmbedgeError(
            "E-DIMS",
            f"a head of {head.shape[0]} classes in {head.shape[1]} dimensions has no {dim}"
            " principal directions",
            remedy="Choose a smaller student.dim, or more identities",
        )
    _, strength, directions = torch.linalg.svd(head.double(), full_matrices=False)
    held = strength.square()
    return directions[:dim].float(), float(held[:dim].sum() / held.sum())
