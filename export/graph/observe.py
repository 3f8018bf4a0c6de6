"""Run a float graph and look at its inner tensors."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from embedge.export.graph.surgery import Graph
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session

__all__ = ["DEFAULT_DOOR", "batches_of", "observe"]

_BATCH = 16
# How a picture enters a graph that states no contract: RGB, (x − 127.5) / 127.5.
DEFAULT_DOOR = EmbeddingContract(space="", model="", dim=0)


def observe(
    graph: Graph, tensors: Sequence[str], batches: Iterable[NDArray[np.float32]]
) -> Iterator[dict[str, NDArray[np.float32]]]:
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


def batches_of(
    images: NDArray[np.uint8], door: EmbeddingContract = DEFAULT_DOOR, size: int = _BATCH
) -> Iterator[NDArray[np.float32]]:
    """uint8 (N,H,W,3) to float32 (n,3,H,W), normalised."""
    for start in range(0, len(images), size):
        yield tensor_from_crops(images[start : start + size], door)
