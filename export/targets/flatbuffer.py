"""A LiteRT file in the making: tensors, constants and operators, by LiteRT's own schema."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.optional import require

__all__ = ["Flatbuffer", "Grid"]

Array = NDArray[Any]
_OPTIONS = {
    "ADD": "AddOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MEAN": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
}
# the first version of an operator that takes codes; a runtime that is older says so
_WITH_CODES = {
    **dict.fromkeys(("ADD", "DEQUANTIZE", "PAD", "RELU", "TRANSPOSE"), 2),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), 3),
    "FULLY_CONNECTED": 4,
}


@dataclass(frozen=True, slots=True)
class Grid:
    """value = scale · (code − zero) in 8 bits; several scales are those of the slices of `axis`."""

    scales: tuple[float, ...]
    zero: int = 0
    axis: int = 0


class Flatbuffer:
    """Everything is named by its number; numbers are given in order of appearance."""

    def __init__(self, *, half: bool) -> None:
        self._schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
        self._half = half
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [self._schema.BufferT()]  # the first one is empty by rule
        self._operators: list[Any] = []
        self._kinds: list[tuple[str, int]] = []
        self._grids: dict[int, Grid] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str = "FLOAT32",
        data: Array | None = None,
        grid: Grid | None = None,
    ) -> int:
        tensor = self._schema.TensorT()
        tensor.name = f"{name}.{len(self._tensors)}"
        tensor.shape = [int(size) for size in shape]
        tensor.type = getattr(self._schema.TensorType, kind)
        tensor.buffer = 0
        if data is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        if grid is not None:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale = list(grid.scales)
            tensor.quantization.zeroPoint = [grid.zero] * len(grid.scales)
            tensor.quantization.quantizedDimension = grid.axis
            self._grids[len(self._tensors)] = grid
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def grid(self, tensor: int) -> Grid | None:
        """None of what is float."""
        return self._grids.get(tensor)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(self._tensors[tensor].shape)

    def constant(self, value: Array) -> int:
        return self.tensor("constant", value.shape, data=value.astype(np.float32))

    def integers(self, value: Array) -> int:
        return self.tensor("integers", value.shape, "INT32", value)

    def weights(self, value: Array) -> int:
        """In half precision they stand before an operator that widens them, once, at loading."""
        if not self._half:
            return self.constant(value)
        stored = self.tensor("half", value.shape, "FLOAT16", value.astype(np.float16))
        return self.operator("DEQUANTIZE", [stored], value.shape)

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: Mapping[str, Any] | None = None,
        *,
        grid: Grid | None = None,
    ) -> int:
        """One operator with one result, in codes where a grid is given; its number is returned."""
        schema, node = self._schema, self._schema.OperatorT()
        codes = any(self.grid(one) for one in inputs)
        code = kind, _WITH_CODES.get(kind, 1) if codes else 1
        if code not in self._kinds:
            self._kinds.append(code)
        node.opcodeIndex = self._kinds.index(code)
        result = self.tensor(kind.lower(), shape, "FLOAT32" if grid is None else "INT8", grid=grid)
        node.inputs, node.outputs = list(inputs), [result]
        if kind in _OPTIONS:
            node.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[kind])
            node.builtinOptions = getattr(schema, f"{_OPTIONS[kind]}T")()
            for name, value in (options or {}).items():
                setattr(node.builtinOptions, name, value)
            if kind == "RESHAPE":
                node.builtinOptions.newShape = list(shape)
        self._operators.append(node)
        return result

    def written(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        schema = self._schema
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators, graph.name = self._tensors, self._operators, "embedge"
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model.version, model.description = 3, "embedge"
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [self._code(*code) for code in self._kinds]
        builder = require("flatbuffers", extra="litert").Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _code(self, kind: str, version: int) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        return code
