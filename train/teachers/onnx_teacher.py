"""A teacher that is an ONNX file: nothing is known of it but what it answers.

insightface's convention is RGB with (x − 127.5) / 127.5. Models that came from MXNet subtract and
scale inside the graph instead and want plain 0 … 255. Which of them a file wants is read from its
operators and then confirmed on faces: fed wrongly, a recogniser tells people apart far worse.
"""

import math
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from embedge.calibration.evaluation.subjects import opened_model
from embedge.calibration.feeding import clearly_better, in_other_order, seen_fed
from embedge.errors import EmbedgeError
from embedge.files import sha256_file
from embedge.optional import require
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY, OrtEncoder
from embedge.runtime.encoders.preprocessing import (
    FEEDINGS,
    Preprocessing,
    fed_digest,
    named,
)
from embedge.runtime.encoders.sessions import graph_facts
from embedge.runtime.picture.images import RgbImage
from embedge.train.loop import ranks
from embedge.train.models.cost import NetworkCost
from embedge.train.models.from_onnx import GraphNetwork, NotUnderstood, network_from_onnx
from embedge.train.teachers.teacher import Placement, Rows, Teacher
from embedge.train.teachers.torch_teacher import answered

__all__ = ["OnnxTeacher", "confirm_preprocessing"]

_CUDA = "CUDAExecutionProvider"
_ALIKE = 1e-3  # of the largest value of an embedding; float32 sums in another order stay below 1e-4


class OnnxTeacher(Teacher):
    """`preprocessing` is a name from FEEDINGS, or None (or what a file says of itself) to go by
    the file."""

    kind = "onnx"

    def __init__(self, path: Path, preprocessing: str | None = None, *, threads: int | None = None):
        self.path = path
        self.stated = preprocessing is None and METADATA_KEY.encode() in path.read_bytes()
        opened = opened_model(str(path), threads=threads)
        self.way = _way(path, opened.encoder.contract, preprocessing)
        self.preprocessing = named(self.way)
        contract = self.way.of(opened.encoder.contract)
        self._encoder = OrtEncoder(path, contract, threads=threads)
        self.dim = contract.dim
        self.contract = contract
        self.digest = fed_digest(sha256_file(path), self.preprocessing)
        self.where = Placement()
        self._network: GraphNetwork | None = None

    def placed(self, where: Placement) -> Self:
        """On the CPU ONNX Runtime answers. Elsewhere, or in half precision, torch does in its place
        where it understands the graph; else a GPU is ONNX Runtime's, if this one knows it."""
        self.where, self._network = Placement(), None
        if where != Placement(batch=where.batch):
            try:
                network = self._in_torch().to(where.device)
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            except NotUnderstood as error:
                self._network = None
                self._encoder = _on_gpu(self.path, self.contract, where, str(error))
        self.where, self.batch, self.device = where, where.batch, where.device
        return self

    def features(self, images: RgbImage) -> Rows:
        if self._network is None:
            return self._encoder.features(np.ascontiguousarray(images))
        rows = answered(self._network, self._fed(images), self.where)
        if self.contract.flip == "sum":
            rows += answered(self._network, self._fed(images[:, :, ::-1]), self.where)
        return rows

    def _in_torch(self) -> GraphNetwork:
        """The graph's network, once it has given the graph's own answers."""
        network = network_from_onnx(self.path)
        size = self.contract.size
        pictures = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
        theirs = self._encoder.features(pictures)
        self._network = network
        try:
            far = np.abs(self.features(pictures) - theirs).max() / np.abs(theirs).max()
        except RuntimeError as error:  # shapes that do not fit, of a graph for one picture
            raise NotUnderstood(str(error).partition("\n")[0]) from error
        if not far <= _ALIKE:
            raise NotUnderstood(f"torch answers otherwise, by {far:.0e}")
        return network

    def _fed(self, images: RgbImage) -> torch.Tensor:
        """Bytes go to the device; how the network wants them is made there."""
        bytes_there = torch.from_numpy(np.array(images)).to(self.where.device)
        x = bytes_there.permute(0, 3, 1, 2).float()
        if self.contract.colour == "BGR":
            x = x.flip(1)
        mean, std = (
            torch.tensor(np.broadcast_to(value, 3).copy(), dtype=x.dtype).to(x.device).view(3, 1, 1)
            for value in (self.contract.mean, self.contract.std)
        )
        return (x - mean) / std

    def cost(self) -> NetworkCost:
        onnx = require("onnx", extra="export")
        weights = onnx.load(self.path).graph.initializer
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        sizes = [math.prod(w.dims) for w in weights if w.data_type in floats]
        return NetworkCost(sum(sizes), macs=None)


def _on_gpu(path: Path, contract: EmbeddingContract, where: Placement, obstacle: str) -> OrtEncoder:
    """ONNX Runtime's own, in the graph's precision."""
    import onnxruntime

    # it would take the first GPU in every process
    has = _CUDA in onnxruntime.get_available_providers() and ranks.together_here() == 1
    if where.device == "cuda" and where.amp == "fp32" and has:
        return OrtEncoder(path, contract, require_provider=_CUDA)
    raise EmbedgeError(
        "E-TEACHER-DEVICE",
        f"torch cannot take this graph over ({obstacle}), which teacher.device {where.device} and"
        f" teacher.amp {where.amp} need",
        where=path,
        remedy="Set teacher.amp to fp32 and teacher.device to cpu, or to cuda with an onnxruntime"
        " that has its CUDA provider (onnxruntime-gpu)",
    )


def _way(path: Path, contract: EmbeddingContract, stated: str | None) -> Preprocessing:
    """What is stated, or the file says: our own metadata, or arithmetic inside the graph."""
    own = Preprocessing(contract.colour, contract.mean, contract.std)
    data = path.read_bytes()
    if METADATA_KEY.encode() in data and stated in (None, named(own)):
        return own
    inside = {"Sub", "Mul"} <= set(graph_facts(data).first)
    return FEEDINGS[stated or ("rgb-plain" if inside else "rgb-scaled")]


def confirm_preprocessing(
    teacher: OnnxTeacher, images: RgbImage, labels: NDArray[np.int64]
) -> dict[str, float]:
    """Equal error rate of every preprocessing; refused where another one is clearly better.

    A file that embedge wrote states its own, which is knowledge and not a convention: it is shown
    the same test and never refused by it.
    """

    def features(way: Preprocessing) -> Rows:
        with OrtEncoder(teacher.path, way.of(teacher.contract)) as encoder:
            return encoder.features(images)

    chosen = teacher.preprocessing
    twin = in_other_order(teacher.way)
    ways = FEEDINGS | {chosen: teacher.way, named(twin): twin}
    seen = seen_fed(features, ways, labels)
    better = clearly_better(chosen, named(twin), seen)
    if better is not None and not teacher.stated:
        best, told = better
        raise EmbedgeError(
            "E-TEACHER-INPUT",
            f"fed {chosen} this teacher {told}",
            where=teacher.path,
            remedy=f"Set teacher.preprocessing to {best}, or check that the faces are aligned"
            if best in FEEDINGS
            else f"Take it in with embedge bundle, fed {best}, and give the bundle's fp32 file",
        )
    return {name: one.rate for name, one in seen.items()}
