"""A teacher that is an ONNX file: nothing is known of it but what it answers.

insightface's convention is RGB with (x − 127.5) / 127.5. Models that came from MXNet subtract and
scale inside the graph instead and want plain 0 … 255. Which of them a file wants is read from its
operators and then confirmed on faces: fed wrongly, a recogniser tells people apart far worse.
"""

import math
from pathlib import Path

import numpy as np
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
)
from embedge.runtime.encoders.sessions import graph_facts
from embedge.runtime.picture.images import RgbImage
from embedge.train.models.cost import NetworkCost
from embedge.train.teachers.teacher import Rows, Teacher

__all__ = ["OnnxTeacher", "confirm_preprocessing"]


class OnnxTeacher(Teacher):
    """`preprocessing` is a name from FEEDINGS, or None to go by the file."""

    kind = "onnx"

    def __init__(self, path: Path, preprocessing: str | None = None, *, threads: int | None = None):
        self.path = path
        self.stated = preprocessing is None and METADATA_KEY.encode() in path.read_bytes()
        opened = opened_model(str(path), threads=threads)
        self.preprocessing = preprocessing or _conventional(path, opened.encoder.contract)
        contract = FEEDINGS[self.preprocessing].of(opened.encoder.contract)
        self._encoder = OrtEncoder(path, contract, threads=threads)
        self.dim = contract.dim
        self.contract = contract
        self.digest = fed_digest(sha256_file(path), self.preprocessing)

    def features(self, images: RgbImage) -> Rows:
        return self._encoder.features(np.ascontiguousarray(images))

    def cost(self) -> NetworkCost:
        onnx = require("onnx", extra="export")
        weights = onnx.load(self.path).graph.initializer
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        sizes = [math.prod(w.dims) for w in weights if w.data_type in floats]
        return NetworkCost(sum(sizes), macs=None)


def _conventional(path: Path, contract: EmbeddingContract) -> str:
    """What the file says: our own metadata, or arithmetic on the picture inside the graph."""
    known = Preprocessing(contract.colour, contract.mean, contract.std)
    named = {value: name for name, value in FEEDINGS.items()}
    data = path.read_bytes()
    if METADATA_KEY.encode() in data:
        return named[known]
    return "rgb-plain" if {"Sub", "Mul"} <= set(graph_facts(data).first) else "rgb-scaled"


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
    twin = in_other_order(FEEDINGS[chosen])
    named = {way: name for name, way in FEEDINGS.items()}
    seen = seen_fed(features, FEEDINGS | {named.get(twin, "swapped"): twin}, labels)
    better = clearly_better(chosen, named.get(twin, "swapped"), seen)
    if better is not None and not teacher.stated:
        best, told = better
        raise EmbedgeError(
            "E-TEACHER-INPUT",
            f"fed {chosen} this teacher {told}",
            where=teacher.path,
            remedy=f"Set teacher.preprocessing to {best}, or check that the faces are aligned",
        )
    return {name: one.rate for name, one in seen.items()}
