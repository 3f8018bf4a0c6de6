"""What each layer of a graph costs, and which layers cost so little that they stay in float."""

import numpy as np
from numpy.typing import NDArray

from embedge.export.graph.channels import is_weighted
from embedge.export.graph.observe import batches_of, observe
from embedge.export.graph.surgery import Graph

__all__ = ["closing_layers", "layer_macs"]

_NEXT_TO_NOTHING = 0.005  # of all multiplications


def layer_macs(graph: Graph, picture: NDArray[np.uint8]) -> dict[str, float]:
    """The share of every Conv and Gemm in the multiplications of the graph."""
    layers = [node for node in graph.nodes if is_weighted(graph, node)]
    values = next(observe(graph, [n.output[0] for n in layers], batches_of(picture)))
    macs = {
        node.name: values[node.output[0]][0, 0].size * graph.constants[node.input[1]].size
        for node in layers
    }
    total = sum(macs.values())
    return {name: count / total for name, count in macs.items()}


def closing_layers(graph: Graph, picture: NDArray[np.uint8]) -> dict[str, float]:
    """The layers at the very end that cost next to nothing, and the share of each.

    In a face network a convolution over the whole map and a matrix product write the embedding:
    what they round nothing averages out any more, and 8 bits cannot make them noticeably faster.
    """
    shares = layer_macs(graph, picture)
    found, spent = dict[str, float](), 0.0
    node = graph.producer(graph.outputs[0].name)
    while node is not None and sum(name not in graph.constants for name in node.input) == 1:
        if node.name in shares:
            spent += shares[node.name]
            if spent > _NEXT_TO_NOTHING:
                break
            found[node.name] = shares[node.name]
        node = graph.producer(node.input[0])
    return found
