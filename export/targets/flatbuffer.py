"""A LiteRT file in the making: tensors, constants and operators, by LiteRT's own schema."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.optional import require

__all__ = ["Flatbuffer"]

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


class Flatbuffer:
    """Everything is named by its number; numbers are given in order of appearance."""

    def __init__(self, *, half: bool) -> None:
        self._schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
        self._half = half
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [self._schema.BufferT()]  # the first one is empty by rule
        self._operators: list[Any] = []
        self._kinds: list[str] = []

    def tensor(
        self, name: str, shape: Sequence[int], kind: str = "FLOAT32", data: Array | None = None
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
        self._tensors.append(tensor)
        return len(self._tensors) - 1

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
    ) -> int:
        """One operator with one result, whose number is returned."""
        schema, node = self._schema, self._schema.OperatorT()
        if kind not in self._kinds:
            self._kinds.append(kind)
        node.opcodeIndex = self._kinds.index(kind)
        result = self.tensor(kind.lower(), shape)
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
        model.operatorCodes = [self._code(kind) for kind in self._kinds]
        builder = require("flatbuffers", extra="litert").Builder(1 << 20)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _code(self, kind: str) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        return code
