"""Networks of many shapes with random weights, as a device is asked for their times."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch

from embedge.bench.fitting.shapes import FACES, LIST, Shape, Shapes
from embedge.export.int8.qdq import qdq_from_onnx
from embedge.export.student import onnx_from_student
from embedge.files import whole_file
from embedge.progress import Progress
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.picture.images import RgbImage
from embedge.train.models.cost import NetworkCost
from embedge.train.models.mobilefacenet import Activation
from embedge.train.models.shape import Architecture, StudentShape
from embedge.train.models.tail import Tailed
from embedge.train.render import FaceRenderer
from embedge.train.seeds import seeded

__all__ = ["PRECISIONS", "Grid", "write_candidates"]

PRECISIONS = ("fp32", "int8-cpu")
_FACES = 16


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination is a candidate."""

    architectures: tuple[Architecture, ...] = ("mobilefacenet", "repface")
    widths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    depths: tuple[float, ...] = (0.5, 1.0)
    activations: tuple[Activation, ...] = ("relu", "prelu")

    def shapes(self) -> list[StudentShape]:
        every = product(self.architectures, self.widths, self.depths, self.activations)
        return [StudentShape(a, 1, width, depth, act) for a, width, depth, act in every]


def write_candidates(folder: Path, grid: Grid, dim: int, progress: Progress) -> Shapes:
    """ONNX files of every shape, their list, and faces; what is there already is kept.

    Speed does not ask what a network knows, but batch norms must have seen faces: ranges are
    calibrated on what they let through.
    """
    faces, found = _faces(folder), []
    shapes = grid.shapes()
    with progress.task("writing shapes", len(shapes)) as task:
        for shape in shapes:
            found.append(_written(folder, shape, dim, faces))
            task.advance()
    whole = Shapes(dim=dim, shapes=tuple(found))
    whole.write(folder / LIST)
    return whole


def _written(folder: Path, shape: StudentShape, dim: int, faces: RgbImage) -> Shape:
    name = _name(shape, dim)
    fp32, int8 = (folder / f"{name}.{precision}.onnx" for precision in PRECISIONS)
    network = _settled(shape, dim, faces)
    contract = EmbeddingContract("no space", f"random {name}", dim)
    if not fp32.is_file():
        onnx_from_student(network, contract, fp32)
    if not int8.is_file():
        qdq_from_onnx(fp32, faces, int8, target="cpu")
    cost = NetworkCost.of(network)
    return Shape(
        name=name,
        architecture=shape.architecture,
        scale=shape.scale,
        width=shape.width,
        depth=shape.depth,
        activation=shape.activation,
        parameters=cost.parameters,
        macs=cost.macs or 0,
        bytes={one: path.stat().st_size for one, path in zip(PRECISIONS, (fp32, int8))},
    )


def _name(shape: StudentShape, dim: int) -> str:
    return f"{shape.architecture}-w{shape.width:g}-d{shape.depth:g}-{shape.activation}-{dim}"


def _settled(shape: StudentShape, dim: int, faces: RgbImage) -> Tailed:
    contract = EmbeddingContract("no space", "random", dim)
    with seeded(0), torch.no_grad():
        network = shape.network(dim).train()
        for _ in range(3):  # a norm moves a tenth of the way each time
            network(torch.from_numpy(tensor_from_crops(faces, contract)))
    return network.eval().folded()


def _faces(folder: Path) -> RgbImage:
    faces = FaceRenderer(seed=7).render(np.arange(_FACES), np.zeros(_FACES, np.int64)).images
    with whole_file(folder / FACES) as part, part.open("wb") as file:
        np.save(file, faces)
    return faces
