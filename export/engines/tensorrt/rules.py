"""What TensorRT takes: told here, before a builder on some device says it in its own words."""

import onnx

from embedge.errors import EmbedgeError
from embedge.export.engines.tensorrt.float_weights import integer_weights
from embedge.export.graph.surgery import Graph, node_place

__all__ = [
    "STABLE_OPERATORS",
    "TENSORRT_8_OPSET",
    "lower_opset",
    "require_tensorrt",
    "require_tensorrt_8",
]

TENSORRT_8_OPSET = 17
# Operators that mean the same from opset 13 to the newest one read here, for what graphs of
# ours use of them.
STABLE_OPERATORS = {
    *("Add", "Cast", "Clip", "Concat", "Constant", "Conv", "DequantizeLinear", "Flatten", "Gemm"),
    *("GlobalAveragePool", "Identity", "LeakyRelu", "MatMul", "Mul", "PRelu", "QuantizeLinear"),
    *("Relu", "Reshape", "Sub", "Transpose"),
}
_INTEGER_KERNELS = {"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


def require_tensorrt(model: onnx.ModelProto) -> None:
    """Refuse a graph that NVIDIA's parser would refuse, naming the node and the remedy."""
    graph = Graph.from_model(model)
    for node in graph.nodes:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            _require_symmetric(graph, node)
        elif node.op_type in _INTEGER_KERNELS or node.domain not in ("", "ai.onnx"):
            raise _refused(f"{node_place(node)} is an integer kernel of ONNX Runtime")
        elif any(name.endswith(".q") and _is_codes(graph, name) for name in node.input):
            raise _refused(f"{node_place(node)} computes on codes instead of dequantised values")


def require_tensorrt_8(model: onnx.ModelProto) -> None:
    """What TensorRT 8 refuses beyond that: weights that are integers already."""
    require_tensorrt(model)
    for node in integer_weights(Graph.from_model(model)):
        raise _refused(f"{node_place(node)} reads INT8 weights, TensorRT 8 quantises FP32 ones")


def _require_symmetric(graph: Graph, node: onnx.NodeProto) -> None:
    zero = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
    if zero is None:
        raise _refused(f"{node_place(node)} has no constant zero point, which means U8")
    if zero.dtype.name != "int8":
        raise _refused(f"{node_place(node)} works on {zero.dtype.name}, TensorRT on int8")
    if zero.any():
        raise _refused(f"{node_place(node)} has a zero point other than zero")


def _is_codes(graph: Graph, name: str) -> bool:
    maker = graph.producer(name)
    return maker is not None and maker.op_type == "QuantizeLinear"


def lower_opset(graph: Graph, opset: int) -> None:
    """State an older opset, when every operator means the same in it."""
    if graph.opset <= opset:
        return
    for node in graph.nodes:
        if node.op_type not in STABLE_OPERATORS:
            raise EmbedgeError(
                "E-OPSET",
                f"{node_place(node)} of opset {graph.opset} cannot be written in opset {opset}",
                remedy=f"Export the float model with opset {opset}",
            )
    graph.opset = opset


def _refused(what: str) -> EmbedgeError:
    return EmbedgeError(
        "E-TRT-GRAPH",
        f"TensorRT does not take this graph: {what}",
        remedy="Quantise it again with --target trt (trt8 for TensorRT 8)",
    )
