"""A foreign embedding network becomes a graph of ours, each step compared with the network."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from embedge.errors import EmbedgeError
from embedge.export.graph.running import FEW_PICTURES, Images, Proof, read_contract, stamp
from embedge.export.graph.surgery import Graph, plain_model, quantisable, unfit
from embedge.export.intake.batch import free_batch, prove_batches
from embedge.export.intake.entrance import (
    enter_float,
    enter_planes,
    fold_entrance,
    leave_rows,
    without_length,
)
from embedge.export.intake.feeding import ConfirmedFeeding, KnownFaces, Stated, feeding_of
from embedge.export.intake.models import OPSET, in_float32, in_opset, wide_types, with_one_output
from embedge.export.intake.original import Entrance, Original, entrance_of
from embedge.export.intake.weights import model_with_weights
from embedge.files import sha256_file
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import require_steady, unit_rows
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.preprocessing import Preprocessing, fed_digest

__all__ = ["Claims", "TakenIn", "looked_at", "taken_in"]

# a half rounds every value to 11 bits: what comes out is as far from float32 as that adds up to
_AGREED: dict[int, float] = {onnx.TensorProto.FLOAT16: 2e-2, onnx.TensorProto.DOUBLE: 1e-4}
_LONGEST = 1e15
_SLOW = 2  # pictures, where only onnx's own evaluator runs the original


@dataclass(frozen=True, slots=True)
class Claims:
    """What its user says of a foreign model. `weights` is a folder that external data may lie in;
    `space` names the space it shares with another model."""

    stated: Stated = field(default_factory=Stated)
    output: str | None = None
    weights: Path | None = None
    space: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TakenIn:
    """`graph` takes float32 (batch, 3, size, size) and carries its contract; `original` is the
    network that it was proven against."""

    graph: Graph
    original: Original
    contract: EmbeddingContract
    feeding: ConfirmedFeeding

    def expected(self, images: Images) -> NDArray[np.float32]:
        """What the network as it came answers, fed as it wants to be."""
        return self.original.features(images, self.contract)


def taken_in(
    path: Path,
    images: Images,
    asked: Claims | None = None,
    faces: KnownFaces | None = None,
) -> TakenIn:
    """Bring a float network to our form, proven on `images`; labelled `faces` confirm its feeding.

    A model that carries our contract states its own feeding; to state another is refused.
    """
    with _named(path):
        return _taken_in(path, images, asked or Claims(), faces)


def looked_at(path: Path, asked: Claims) -> None:
    """Refuse at a glance what cannot be taken in, before pictures are read."""
    with _named(path):
        _opened(path, asked)


def _opened(path: Path, asked: Claims) -> tuple[onnx.ModelProto, Entrance]:
    model = model_with_weights(path, asked.weights)
    quantisable(model)
    model = with_one_output(model, asked.output)
    return model, entrance_of(model, asked.stated.layout)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors say which file."""
    try:
        yield
    except EmbedgeError as error:
        if error.where is not None:
            raise
        raise EmbedgeError(error.code, error.what, where=path, remedy=error.remedy) from error


def _taken_in(path: Path, images: Images, asked: Claims, faces: KnownFaces | None) -> TakenIn:
    model, entrance = _opened(path, asked)
    few = _few(images, entrance)
    model, entrance = _in_float32(model, entrance, few)
    original = Original.of(model, entrance)
    blank = original.contract("unknown")
    require_steady(lambda some: original.features(some, blank), entrance.size)
    _require_lengths(original.features(few, blank))
    contract, feeding = _fed(path, asked, original, faces)
    steps = _Steps(Proof(few, original.features(few, contract)), entrance, contract)
    model = steps.model("plain form", plain_model(model))
    graph = Graph.from_model(steps.model(f"opset {OPSET}", in_opset(model)))
    stamp(graph, contract)
    rank = len(original.session.get_outputs()[0].shape)
    steps.graph("float entrance", graph, enter_float(graph, entrance), kind=onnx.TensorProto.FLOAT)
    steps.graph("planes first", graph, enter_planes(graph, entrance), layout="NCHW")
    steps.graph("first layer", graph, fold_entrance(graph))
    steps.graph("embedding in rows", graph, leave_rows(graph, rank))
    steps.graph("free batch", graph, free_batch(graph, entrance.batch, contract.dim), batch=None)
    prove_batches(graph, contract, _without_length(graph, steps.proof))
    return TakenIn(graph, original, contract, feeding)


def _require_lengths(rows: NDArray[np.float32]) -> None:
    """Squares of float32 have to fit into float32."""
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    some = lengths[np.isfinite(lengths)]  # whoever compares refuses what is no number
    if len(some) and (some.max() > _LONGEST or some.min() < 1 / _LONGEST):
        raise unfit(
            f"the embeddings have lengths of {some.min():.1e} to {some.max():.1e}",
            "Scale the output to lengths between 1e-15 and 1e15, or divide it by its length",
        )


@dataclass(slots=True)
class _Steps:
    """Compares what each pass leaves; `entrance` is what the network has become to enter by."""

    proof: Proof
    entrance: Entrance
    contract: EmbeddingContract

    def model(self, name: str, model: onnx.ModelProto) -> onnx.ModelProto:
        self.proof.holds(name, lambda: self._answers(model))
        return model

    def graph(self, name: str, graph: Graph, changed: bool, **entrance: Any) -> None:
        self.entrance = replace(self.entrance, **entrance)
        if changed:
            self.model(name, graph.copy().to_model())

    def _answers(self, model: onnx.ModelProto) -> NDArray[np.float32]:
        return Original.of(model, self.entrance).features(self.proof.images, self.contract)


def _few(images: Images, entrance: Entrance) -> Images:
    size = entrance.size
    if images.shape[1:] != (size, size, 3):
        raise EmbedgeError(
            "E-CALIBRATION",
            f"the pictures are {images.shape[1:]}, the model takes ({size}, {size}, 3)",
            remedy="Align the faces in the size of the model: embedge data align PHOTOS FACES"
            f" --detector DETECTOR.onnx --side {size}",
        )
    return images[:: max(len(images) // FEW_PICTURES, 1)][:FEW_PICTURES]


def _in_float32(
    model: onnx.ModelProto, entrance: Entrance, few: Images
) -> tuple[onnx.ModelProto, Entrance]:
    """What is half or double is float32 from here on, if it answers alike."""
    wide = wide_types(model)
    if not wide:
        return model, entrance
    twin = in_float32(plain_model(model))
    new = entrance if entrance.whole_numbers else replace(entrance, kind=onnx.TensorProto.FLOAT)
    contract = EmbeddingContract("unknown", "unknown", 2, entrance.size)
    if entrance.whole_numbers:
        contract = replace(contract, mean=0.0, std=1.0)
    some = few[:_SLOW]
    expected = _answers(model, entrance, some, contract)
    Proof(some, expected).holds(
        "float32",
        lambda: Original.of(twin, new).features(some, contract),
        max(_AGREED[kind] for kind in wide),
    )
    return twin, new


def _answers(
    model: onnx.ModelProto, entrance: Entrance, some: Images, contract: EmbeddingContract
) -> NDArray[np.float32]:
    """By ONNX Runtime, or where it has no kernel for doubles, by onnx's evaluator."""
    try:
        return Original.of(model, entrance).features(some, contract)
    except EmbedgeError as error:
        if error.code != "E-GRAPH":
            raise
        slow = ReferenceEvaluator(model)
        count = entrance.batch or len(some)
        feeds: dict[str, Any] = {
            entrance.name: entrance.tensor(np.resize(some, (count, *some.shape[1:])), contract)
        }
        try:
            rows = np.asarray(next(iter(slow.run(None, feeds))), np.float32)
        except Exception:  # numpy's and onnx's classes: what ONNX Runtime said is the better word
            raise error from None
        return rows.reshape(count, -1)[: len(some)]


def _fed(
    path: Path, asked: Claims, original: Original, faces: KnownFaces | None
) -> tuple[EmbeddingContract, ConfirmedFeeding]:
    digest = sha256_file(path)
    blank = original.contract(digest)
    if any(item.key == METADATA_KEY for item in original.model.metadata_props):
        if not asked.stated.nothing:
            raise EmbedgeError(
                "E-FEEDING",
                "the model states how it is fed, and something was stated beside it",
                remedy="Leave --mean, --std and --colour out",
            )
        ours = read_contract(Graph.from_model(original.model))
        way = Preprocessing(ours.colour, ours.mean, ours.std)
        return ours, ConfirmedFeeding(way, "its contract", "the model's own metadata", {})

    def features(way: Preprocessing) -> NDArray[np.float32]:
        assert faces is not None  # else nothing is tried
        return original.features(faces.images, way.of(blank))

    def reach(way: Preprocessing) -> float | None:
        return original.reach(way.of(blank))

    found = feeding_of(asked.stated, original.model, original.entrance, features, reach, faces)
    space = asked.space or f"sha256:{fed_digest(digest, found.name)[:32]}"
    return replace(found.way.of(blank), space=space), found


def _without_length(graph: Graph, proof: Proof) -> Proof:
    """The tail is compared by direction, what follows with the rows that it no longer scales."""
    whole = graph.copy()
    if not without_length(graph):
        return proof
    directions = Proof(proof.images, unit_rows(proof.expected))
    try:
        directions.holds(
            "length cut off", lambda: unit_rows(Proof.of_graph(graph, proof.images).expected)
        )
    except EmbedgeError:
        graph.nodes, graph.constants = whole.nodes, whole.constants
        return proof
    return Proof.of_graph(graph, proof.images)
