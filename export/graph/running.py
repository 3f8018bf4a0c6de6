"""A graph fed with pictures as its contract says, what its tensors hold, and what it answers.

After every rewriting the float graph answers real pictures as the original does: a `Proof`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract, tensor_from_crops
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = [
    "FEW_PICTURES",
    "Images",
    "Proof",
    "batches_of",
    "embeddings_of",
    "evaluated",
    "observe",
    "read_contract",
    "stamp",
]

_AGREED = 1e-4  # of a row's length: float32 rounding through fifty layers, nothing more
FEW_PICTURES = 8
_BATCH = 16
_DIRECTIONLESS = 1e-12

Images = NDArray[np.uint8]  # (N, H, W, 3), RGB
Rows = NDArray[np.float32]


def evaluated(
    graph: Graph, node: NodeProto, known: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[np.generic]]:
    """What one node answers to `known` tensors and the graph's constants, by onnx's evaluator."""
    values = {**graph.constants, **known}
    feeds = {name: values[name] for name in node.input if name}
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in feeds.items()}
    inner = helper.make_graph(
        [node],
        "one node",
        [helper.make_tensor_value_info(k, types[k], v.shape) for k, v in feeds.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    model = helper.make_model(inner, opset_imports=[helper.make_opsetid("", graph.opset)])
    return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feeds)]


def stamp(graph: Graph, contract: EmbeddingContract) -> None:
    """Write the contract into the metadata."""
    graph.metadata[METADATA_KEY] = json.dumps(contract.to_json(), sort_keys=True)


def read_contract(graph: Graph, where: Path | None = None) -> EmbeddingContract:
    """How the graph is fed, as it says itself: there is no default for one that does not."""
    return _contract_in(graph.metadata, where)


def _contract_in(metadata: Mapping[str, str], where: Path | None = None) -> EmbeddingContract:
    text = metadata.get(METADATA_KEY)
    if text is None:
        raise EmbedgeError(
            "E-FEEDING-UNSTATED",
            "this model does not say how it is fed",
            where=where,
            remedy="State it: --mean, --std, --colour (and --layout, --range), or take the model in"
            " with embedge.export.intake.taken_in",
        )
    return EmbeddingContract.from_json(json.loads(text))


def batches_of(images: Images, contract: EmbeddingContract) -> Iterator[Rows]:
    """Pictures as float32 (n,3,H,W), normalised."""
    for start in range(0, len(images), _BATCH):
        yield tensor_from_crops(images[start : start + _BATCH], contract)


def embeddings_of(model: bytes | Path | Graph, images: Images) -> Rows:
    """What a graph writes for pictures, fed as its contract says, not normalised."""
    data = model.copy().to_model().SerializeToString() if isinstance(model, Graph) else model
    session = ort_session(data)
    contract = _contract_in(session.get_modelmeta().custom_metadata_map)
    name = session.get_inputs()[0].name
    feeds = ({name: batch} for batch in batches_of(images, contract))
    return np.concatenate([run_session(session, None, feed)[0] for feed in feeds])


def observe(
    graph: Graph, tensors: Sequence[str], batches: Iterable[Rows]
) -> Iterator[dict[str, Rows]]:
    """The values of the named tensors, batch by batch."""
    feed = graph.inputs[0].name
    inner = [name for name in tensors if name != feed]
    session = _session_showing(graph, inner)
    for batch in batches:
        values = dict(zip(inner, session.run(inner, {feed: batch}), strict=True)) if inner else {}
        yield {name: batch if name == feed else values[name] for name in tensors}


def _session_showing(graph: Graph, tensors: Sequence[str]) -> Any:
    model = graph.copy().to_model()
    present = {item.name for item in model.graph.output}
    extra = [name for name in tensors if name not in present]
    typed = {item.name: item for item in onnx.shape_inference.infer_shapes(model).graph.value_info}
    model.graph.output.extend(typed[name] for name in extra)
    return ort_session(model.SerializeToString())


def _furthest(expected: Rows, found: Rows) -> float:
    """The largest distance of two rows, as a share of the expected one's length."""
    if expected.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    before, after = (rows.reshape(len(rows), -1) for rows in (expected, found))
    lengths = np.maximum(np.linalg.norm(before, axis=1), _DIRECTIONLESS)
    return float((np.linalg.norm(after - before, axis=1) / lengths).max())


@dataclass(slots=True)
class Proof:
    """What the original answers to a few pictures. `after(name, graph)` after each pass."""

    images: Images
    expected: Rows

    def __post_init__(self) -> None:
        if not np.isfinite(self.expected).all():
            raise EmbedgeError(
                "E-NAN",
                "the network answers real pictures with NaN or infinity",
                remedy="Check the weights and the normalisation of the model in float32 first",
            )

    @classmethod
    def of_graph(cls, graph: Graph, images: Images) -> "Proof":
        few = images[:: max(len(images) // FEW_PICTURES, 1)][:FEW_PICTURES]
        return cls(few, embeddings_of(graph, few))

    def after(self, name: str, graph: Graph) -> None:
        """Refuse a pass that changed the function."""
        self.holds(name, lambda: embeddings_of(graph, self.images))

    def distance(self, graph: Graph) -> float:
        """How far its answers are from the original's at most, in lengths of an embedding."""
        return _furthest(self.expected, embeddings_of(graph, self.images))

    def holds(self, name: str, answers: Callable[[], Rows], agreed: float = _AGREED) -> None:
        try:
            found = answers()
        except EmbedgeError as error:
            if error.code != "E-GRAPH":
                raise
            raise _changed(name, f"does not run: {error.what}") from error
        distance = _furthest(self.expected, found)
        if not distance <= agreed:
            raise _changed(
                name,
                f"differs from the original by {distance:.1e} of an embedding's length"
                f" (at most {agreed:.0e})",
            )


def _changed(name: str, what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-REWRITING",
        f"after the pass '{name}' the float graph {what}",
        remedy="Export the model without what this pass rewrites, and report the model's operators",
    )
