"""A batch that is written into the graph as a number is freed, and proven at 1, 2 and 32."""

from functools import partial

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from embedge.export.graph.canonical import fold_constants
from embedge.export.graph.running import Proof
from embedge.export.graph.surgery import Graph
from embedge.export.intake.original import shape_of
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import tensor_from_crops
from embedge.runtime.encoders.sessions import ort_session, run_session

__all__ = ["free_batch", "prove_batches"]

_BATCHES = (1, 2, 32)
_SYMBOL = "batch"


def free_batch(graph: Graph, fixed: int | None, dim: int) -> bool:
    """The ends of the graph get a batch without a number, and with them what repeats it inside."""
    source = graph.inputs[0]
    if fixed is not None:
        while fold_constants(graph):
            graph.tidy()
        shapes = _shapes(graph)
        for node in list(graph.nodes):
            if node.op_type == "Reshape":
                _free_reshape(graph, node, fixed, shapes.get(node.input[0], []))
            elif node.op_type == "Concat":
                _free_token(graph, node, fixed)
    graph.inputs = [_free(source.name, shape_of(source)[1:])]
    graph.outputs = [_free(graph.outputs[0].name, [dim])]
    graph.tidy()
    return fixed is not None


def _free(name: str, rest: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [_SYMBOL, *rest])


def _shapes(graph: Graph) -> dict[str, list[int | str]]:
    model = onnx.shape_inference.infer_shapes(graph.copy().to_model())
    known = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    return {item.name: shape_of(item) for item in known}


def _free_reshape(graph: Graph, node: NodeProto, fixed: int, before: list[int | str]) -> None:
    """The first number of the shape, where it is the batch: copied, or what is left over."""
    shape = graph.constants.get(node.input[1])
    if shape is None or shape.size == 0 or shape[0] != fixed:
        return
    freed = shape.copy()
    if before and before[0] == fixed:
        freed[0] = 0
    elif -1 not in shape:
        freed[0] = -1
    node.input[1] = graph.add_constant(node.input[1], freed)


def _free_token(graph: Graph, node: NodeProto, fixed: int) -> None:
    """A constant that stands beside every picture of the batch is repeated for as many."""
    others = [name for name in node.input if name not in graph.constants]
    if not others or next(item.i for item in node.attribute if item.name == "axis") == 0:
        return
    for place, name in enumerate(node.input):
        value = graph.constants.get(name)
        if value is None or value.ndim < 2 or len(value) != fixed or np.any(value != value[:1]):
            continue
        whole = graph.emit("Shape", [others[0]], hint=f"{name}.of")
        ends = [graph.add_constant(f"{name}.{n}", np.array([n], np.int64)) for n in (0, 1)]
        count = graph.emit("Slice", [whole, *ends], hint=f"{name}.count")
        rest = graph.add_constant(f"{name}.rest", np.array(value.shape[1:], np.int64))
        wanted = graph.emit("Concat", [count, rest], hint=f"{name}.wanted", axis=0)
        one = graph.add_constant(f"{name}.one", value[:1])
        node.input[place] = graph.emit("Expand", [one, wanted], hint=f"{name}.each")


def prove_batches(graph: Graph, contract: EmbeddingContract, proof: Proof) -> None:
    """The same picture gets the same row, however many come with it."""
    session = ort_session(graph.copy().to_model().SerializeToString())
    name, few = graph.inputs[0].name, len(proof.images)
    tensor = tensor_from_crops(np.resize(proof.images, (32, *proof.images.shape[1:])), contract)

    def answers(count: int) -> NDArray[np.float32]:
        found = [
            run_session(session, None, {name: tensor[i : i + count]})[0]
            for i in range(0, max(few, count), count)
        ]
        return np.concatenate(found)[:few].astype(np.float32)

    for count in _BATCHES:
        proof.holds(f"free batch, {count} at a time", partial(answers, count))
