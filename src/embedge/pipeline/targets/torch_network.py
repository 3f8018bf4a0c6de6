"""A bundle's float graph as a network in torch, for the tools that convert from there."""

import tempfile
from pathlib import Path

from embedge.errors import EmbedgeError
from embedge.export.graph.canonical import canonical
from embedge.export.graph.surgery import Graph
from embedge.train.models.from_onnx import GraphNetwork, NotUnderstood, network_from_onnx

__all__ = ["torch_network"]


def torch_network(graph: Graph) -> GraphNetwork:
    """In canonical form: batch norms folded, each activation one operator."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "canonical.onnx"
        canonical(graph.copy()).write(path)
        try:
            return network_from_onnx(path)
        except NotUnderstood as error:
            raise EmbedgeError(
                "E-TARGET",
                f"the network cannot be written in torch: {error}",
                remedy="Convert the float graph of a student, or choose --target litert or ncnn",
            ) from error
