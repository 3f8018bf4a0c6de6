"""Which nodes of a Q/DQ graph compute in codes for LiteRT, and on which grids."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.surgery import Graph
from embedge.export.targets.flatbuffer import Grid

__all__ = ["Codes", "Result", "Stored"]

_INTEGER = {"Add": 2, "Conv": 3, "Gemm": 3, "PRelu": 2}  # and how many inputs count
_ACTIVATIONS = {"Relu": 1, "Clip": 3}  # LiteRT's numbers
_FUSING = {"Add", "Conv", "Gemm"}


@dataclass(frozen=True, slots=True)
class Result:
    """The grid of what a node writes, and the activation that it applies before."""

    grid: Grid
    activation: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A constant in codes."""

    codes: NDArray[Any]
    grid: Grid
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """`constants` by what dequantises them, `results` and `fused` by the names of nodes."""

    graph: Graph
    constants: dict[str, Stored]
    results: dict[str, Result]
    fused: set[str]

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """Nothing of a float graph."""
        stored = {
            node.output[0]: _stored(graph, node)
            for node in graph.nodes
            if node.op_type == "DequantizeLinear" and node.input[0] in graph.constants
        }
        codes = cls(graph, stored, {}, set())
        for node in graph.nodes:
            if node.op_type in _INTEGER and codes._reads_codes(node):
                codes._conclude(node)
        return codes

    def grid_of(self, node: NodeProto) -> Grid:
        """Of a QuantizeLinear or a DequantizeLinear."""
        return _grid(*(self.graph.constants[name] for name in node.input[1:3]))

    def _reads_codes(self, node: NodeProto) -> bool:
        makers = [self.graph.producer(name) for name in node.input[: _INTEGER[node.op_type]]]
        return all(maker is not None and maker.op_type == "DequantizeLinear" for maker in makers)

    def _conclude(self, node: NodeProto) -> None:
        """A node whose result, behind an activation or not, is only ever wanted in codes."""
        last, activation = node, 0
        follower = self.graph.only_consumer(node.output[0])
        if node.op_type in _FUSING and follower is not None and follower.op_type in _ACTIVATIONS:
            last, activation = follower, _ACTIVATIONS[follower.op_type]
            follower = self.graph.only_consumer(last.output[0])
        if follower is None or follower.op_type != "QuantizeLinear":
            return
        self.results[node.name] = Result(self.grid_of(follower), activation)
        if last is not node:
            self.fused.add(last.name)


def _stored(graph: Graph, node: NodeProto) -> Stored:
    codes, scale, zero = (graph.constants[name] for name in node.input)
    columns = scale.reshape(-1, *(1,) * (codes.ndim - 1)) if scale.ndim else scale
    values = (codes.astype(np.float32) - np.float32(zero.reshape(-1)[0])) * columns
    shifted = (codes.astype(np.int16) - 128).astype(np.int8) if codes.dtype == np.uint8 else codes
    return Stored(shifted, _grid(scale, zero), values.astype(np.float32))


def _grid(scale: NDArray[Any], zero: NDArray[Any]) -> Grid:
    """U8 codes are S8 codes and 128."""
    moved = int(zero.reshape(-1)[0]) - (128 if zero.dtype == np.uint8 else 0)
    return Grid(tuple(map(float, scale.reshape(-1))), moved)
