"""A teacher seen through a bridge: fewer dimensions, a shape that suits the student, another space.

The bridge is stored beside the teacher. A gallery that the teacher enrolled is carried over by it;
nobody has to come again.
"""

from hashlib import sha256
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json
from embedge.runtime.bridge import Bridge, End, read_bridge, write_bridge
from embedge.runtime.picture.images import RgbImage
from embedge.train.models.cost import NetworkCost
from embedge.train.teachers.onnx_teacher import OnnxTeacher
from embedge.train.teachers.teacher import Placement, Rows, Teacher

__all__ = ["MAP_FILE", "MappedTeacher", "principal_map", "save_map"]

MAP_FILE = "map.bridge"


class MappedTeacher(Teacher):
    """Answers in the space at the bridge's other end."""

    def __init__(self, teacher: Teacher, bridge: Bridge, digest: str):
        self.teacher, self.bridge, self.digest = teacher, bridge, digest
        self.kind = f"mapped {teacher.kind}"
        self.dim = bridge.target.dim
        self.identities = teacher.identities
        if teacher.head is not None:
            self.head = torch.from_numpy(bridge.apply(teacher.head.float().numpy()))

    @classmethod
    def load(cls, teacher: Teacher, path: Path) -> "MappedTeacher":
        bridge = read_bridge(path)
        if not _reads(bridge.source, teacher):
            raise EmbedgeError(
                "E-TEACHER",
                f"the map is of {bridge.source.space}, not of this teacher ({teacher.space})",
                where=path,
                remedy="Make the map again for this teacher, or restore the file",
            )
        digest = sha256_json({"teacher": teacher.digest, "map": sha256_file(path)})
        return cls(teacher, bridge, digest)

    @property
    def space(self) -> str:
        """A gallery of the bridge's other end may be searched by whoever learns from this."""
        return self.bridge.target.space

    @property
    def matrix(self) -> Tensor:
        """(dim, dim of the teacher) of a map that is nothing but a matrix."""
        return torch.from_numpy(self.bridge.linear)

    def placed(self, where: Placement) -> Self:
        self.teacher.placed(where)
        self.batch, self.device = self.teacher.batch, self.teacher.device
        return self

    def features(self, images: RgbImage) -> Rows:
        return self.carried(self.teacher.features(images))

    def carried(self, rows: Rows) -> Rows:
        """Embeddings of the teacher, as this one would have given them."""
        return self.bridge.unscaled(rows)

    def cost(self) -> NetworkCost:
        return self.teacher.cost()


def _reads(source: End, teacher: Teacher) -> bool:
    """A bridge that was fitted to a teacher's file knows it by its contract."""
    known = {(teacher.space, teacher.dim)}
    if isinstance(teacher, OnnxTeacher):
        if source.contract == teacher.contract.digest:
            return True
        known.add((teacher.contract.space, teacher.dim))
    return (source.space, source.dim) in known


def save_map(folder: Path, teacher: Teacher, matrix: Tensor) -> None:
    """The matrix as a bridge from the teacher's space to one of its own."""
    rows = matrix.detach().float().contiguous().numpy()
    source = End(teacher.space, teacher.digest, teacher.dim)
    made = sha256_json({"teacher": teacher.digest, "matrix": sha256(rows.tobytes()).hexdigest()})
    bridge = Bridge.from_matrix(source, End(f"sha256:{made[:32]}", made, len(rows)), rows)
    folder.mkdir(parents=True, exist_ok=True)
    write_bridge(folder / MAP_FILE, bridge)


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
