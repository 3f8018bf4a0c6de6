"""Matrix products in one form: a Gemm with weights stored as (out, in) and one bias an output."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto

from embedge.export.graph.surgery import Graph, attribute, is_weighted

__all__ = ["gemm_form", "gemm_from_matmul"]

Floats = NDArray[np.floating]


def gemm_from_matmul(graph: Graph) -> bool:
    """A product with a constant matrix is a Gemm, weights stored as (out, in).

    Where the other factor has more than two axes, as tokens of a picture do, its rows are brought
    together before and taken apart after; an addition that follows becomes the bias.
    """
    found = [n for n in graph.nodes if n.op_type == "MatMul" and _is_matrix(graph, n.input[1])]
    if not found:
        return False
    model = onnx.shape_inference.infer_shapes(graph.copy().to_model())
    shapes = {
        item.name: [dim.dim_value or -1 for dim in item.type.tensor_type.shape.dim]
        for item in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }
    for node in found:
        shape, weight = shapes.get(node.input[0], []), graph.constants[node.input[1]].T
        if len(shape) == 2:
            _become_gemm(graph, node, weight, None)
        else:
            _become_rows(graph, node, shape, weight)
    return True


def _is_matrix(graph: Graph, name: str) -> bool:
    return name in graph.constants and graph.constants[name].ndim == 2


def _become_rows(graph: Graph, node: NodeProto, shape: list[int], weight: Floats) -> None:
    result, bias = node.output[0], None
    after = graph.only_consumer(result)
    if after is not None and after.op_type == "Add":
        added = next((value for _, value in graph.constant_inputs(after)), None)
        if added is not None and added.shape == (len(weight),):
            bias, result = added, after.output[0]
            graph.remove(after)
    together = graph.add_constant(f"{result}.together", np.array([-1, weight.shape[1]], np.int64))
    apart = _taken_apart(graph, node.input[0], shape, len(weight), result)
    node.input[0] = graph.emit("Reshape", [node.input[0], together], hint=f"{result}.rows")
    node.output[0] = graph.fresh(f"{result}.matrix")
    _become_gemm(graph, node, weight, bias)
    graph.emit("Reshape", [node.output[0], apart], hint=result, output=result)


def _taken_apart(graph: Graph, source: str, shape: list[int], width: int, hint: str) -> str:
    """The shape of the result: a constant where only the batch is free, else worked out."""
    if len(shape) > 2 and min(shape[1:-1]) > 0:
        return graph.add_constant(f"{hint}.apart", np.array([-1, *shape[1:-1], width], np.int64))
    first, last, one = (
        graph.add_constant(f"{hint}.{name}", np.array([number], np.int64))
        for name, number in (("first", 0), ("last", -1), ("width", width))
    )
    whole = graph.emit("Shape", [source], hint=f"{hint}.whole")
    rows = graph.emit("Slice", [whole, first, last], hint=f"{hint}.lengths")
    return graph.emit("Concat", [rows, one], hint=f"{hint}.apart", axis=0)


def gemm_form(graph: Graph) -> bool:
    """alpha, beta and the bias's shape go into the constants; weights are stored as (out, in)."""
    for node in graph.nodes:
        if node.op_type != "Gemm" or attribute(node, "transA", 0):
            continue
        weight = graph.constants.get(node.input[1])
        bias = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
        if weight is None or (bias is None and len(node.input) > 2):
            continue
        rows = weight if attribute(node, "transB", 0) else weight.T
        if is_weighted(graph, node) and (bias is None or bias.shape == (len(rows),)):
            continue
        if bias is not None:
            if bias.size not in (1, len(rows)):
                continue  # one number for each picture of a batch that is not free
            scaled = bias.reshape(-1) * float(attribute(node, "beta", 1.0))
            bias = np.broadcast_to(scaled, (len(rows),))
        _become_gemm(graph, node, rows * float(attribute(node, "alpha", 1.0)), bias)
        return True
    return False


def _become_gemm(graph: Graph, node: NodeProto, weight: Floats, bias: Floats | None) -> None:
    hint = node.output[0]
    inputs = [node.input[0]]
    for part, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            plain = np.ascontiguousarray(value, np.float32)
            inputs.append(graph.add_constant(f"{hint}.{part}", plain))
    graph.emit("Gemm", inputs, hint=hint, output=hint, transB=1)
    graph.nodes[-1].name = node.name  # the name under which its user knows it
    graph.remove(node)
