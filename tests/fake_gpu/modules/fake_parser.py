"""What the fake parser of each generation refuses."""

import onnx
from fake_enums import GENERATION


class _ParserError:
    def __init__(self, index, node, text):
        self._index, self._node, self._text = index, node, text

    def node(self):
        return self._index

    def desc(self):
        return self._text

    if GENERATION > 8:

        def node_name(self):
            return self._node.name

        def node_operator(self):
            return self._node.op_type


def _complaint(node, model):
    if not onnx.defs.has(node.op_type, node.domain):
        return f"no importer registered for op: {node.op_type}"
    codes = {one.name for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8}
    if GENERATION == 8 and node.op_type == "DequantizeLinear" and node.input[0] in codes:
        return "INT8 weights: quantised weights are FP32 with a Q before the DQ"
    return None
