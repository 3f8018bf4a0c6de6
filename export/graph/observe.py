"""Run a graph on pictures: what it writes, and what its inner tensors hold."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.ort import METADATA_KEY
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = [
    "DEFAULT_CONTRACT",
    "Images",
    "batches_of",
    "embeddings_of",
    "observe",
    "read_contract",
    "stamp",
]

Images = NDArray[np.uint8]  # (N, H, W, 3), RGB
Floats = NDArray[np.float32]
_BATCH = 16
# How a picture enters a graph that states no contract: RGB, (x − 127.5) / 127.5.
DEFAULT_CONTRACT = EmbeddingContract(space="", model="", dim=0)


def stamp(graph: Graph, contract: EmbeddingContract) -> None:
    """Write the contract into the metadata."""
    graph.metadata[METADATA_KEY] = json.dumps(contract.to_json(), sort_keys=True)


def read_contract(graph: Graph) -> EmbeddingContract:
    """The contract of a graph; foreign graphs have the default one."""
    text = graph.metadata.get(METADATA_KEY)
    return EmbeddingContract.from_json(json.loads(text)) if text else DEFAULT_CONTRACT


def batches_of(images: Images, contract: EmbeddingContract = DEFAULT_CONTRACT) -> Iterator[Floats]:
    """Pictures as float32 (n,3,H,W), normalised."""
    for start in range(0, len(images), _BATCH):
        yield tensor_from_crops(images[start : start + _BATCH], contract)


def embeddings_of(model: bytes | Path | Graph, images: Images) -> Floats:
    """What a graph writes for pictures, not normalised."""
    data = model.copy().to_model().SerializeToString() if isinstance(model, Graph) else model
    session = ort_session(data)
    name = session.get_inputs()[0].name
    return np.concatenate([run_session(session, None, {name: b})[0] for b in batches_of(images)])


def observe(
    graph: Graph, tensors: Sequence[str], batches: Iterable[Floats]
) -> Iterator[dict[str, Floats]]:
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
