"""What the fake parser of each generation refuses."""

from typing import Any

import onnx
from fake_enums import GENERATION


class _ParserError:
    def __init__(self, index: int, node: onnx.NodeProto, text: str) -> None:
        self._index, self._node, self._text = index, node, text

    def node(self) -> int:
        return self._index

    def desc(self) -> str:
        return self._text

    if GENERATION > 8:

        def node_name(self: Any) -> str:
            return self._node.name

        def node_operator(self: Any) -> str:
            return self._node.op_type


def _complaint(node: onnx.NodeProto, model: onnx.ModelProto) -> str | None:
    if not onnx.defs.has(node.op_type, node.domain):
        return f"no importer registered for op: {node.op_type}"
    codes = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8}
    if GENERATION == 8 and node.op_type == "DequantizeLinear" and node.input[0] in codes:
        return "INT8 weights: quantised weights are FP32 with a Q before the DQ"
    return None
