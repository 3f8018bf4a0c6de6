"""What can be quantised, and with which pictures: said before any work is done."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import Graph, node_place

__all__ = ["require_pictures", "require_quantisable"]

_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "QLinearMatMul"}
_CONTROL = {"If", "Loop", "Scan"}
_FEWEST = 8


def require_quantisable(graph: Graph, where: Path) -> None:
    """One picture in, one embedding out, float, of a fixed size, not quantised yet."""
    for node in graph.nodes:
        if node.op_type in _QUANTISED:
            raise _refused(
                f"the model is quantised already: {node_place(node)}",
                where,
                "Give the float32 model it was made from",
            )
        if node.op_type in _CONTROL or node.domain not in ("", "ai.onnx"):
            kind = f"{node.domain}::{node.op_type}".removeprefix("::")
            raise _refused(
                f"{node_place(node)} is of a kind that cannot be quantised here: {kind}",
                where,
                "Export the model without control flow and custom operators",
            )
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise _refused(
            f"the model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs",
            where,
            "Give an embedding network: one picture in, one embedding out",
        )
    picture_size(graph, where)


def picture_size(graph: Graph, where: Path | None = None) -> tuple[int, int]:
    """(height, width) of the input; both must be written in the model."""
    entry = graph.inputs[0]
    dims = [dim.dim_value or dim.dim_param for dim in entry.type.tensor_type.shape.dim]
    match dims:
        case [_, 3, int() as height, int() as width] if height > 0 and width > 0:
            return height, width
    raise _refused(
        f"the input {entry.name} has shape {dims}, not (batch, 3, height, width) with numbers",
        where,
        "Export it for pictures of one size; a dynamic height or width cannot be calibrated",
    )


def require_pictures(images: NDArray[np.uint8], graph: Graph) -> None:
    """Enough different pictures of the size of the model."""
    height, width = picture_size(graph)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (height, width, 3):
        raise _unusable(
            f"calibration pictures are {images.dtype} {images.shape},"
            f" expected uint8 (N, {height}, {width}, 3)",
            "Pass aligned RGB pictures as they are decoded",
        )
    if len(images) < _FEWEST:
        raise _unusable(
            f"{len(images)} calibration pictures are too few; at least {_FEWEST} are needed",
            "Give some hundred pictures of different people",
        )
    if np.all(images == images[:1]):
        raise _unusable(
            f"all {len(images)} calibration pictures are the same picture",
            "Give some hundred pictures of different people",
        )
    if np.all(images.reshape(len(images), -1).std(axis=1) == 0):
        raise _unusable(
            "every calibration picture is of one colour", "Give photographs of aligned faces"
        )


def _refused(what: str, where: Path | None, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-NOT-QUANTISABLE", what, where=where, remedy=remedy)


def _unusable(what: str, remedy: str) -> EmbedgeError:
    return EmbedgeError("E-CALIBRATION", what, remedy=remedy)
