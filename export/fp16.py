"""FP16: weights and arithmetic in half precision, input and output in float32."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from embedge.export.graph.canonical import canonical
from embedge.export.graph.running import Images, batches_of, observe, read_contract
from embedge.export.graph.surgery import Graph

__all__ = ["fp16_from_onnx", "overflowing_nodes"]

_LARGEST = float(np.finfo(np.float16).max)
_OF_THEIR_OWN = {"Cast", "ConstantOfShape"}  # they state the precision of what they write
_ROOM = 0.25  # unseen pictures may be four times as extreme as the ones that were tried


def fp16_from_onnx(
    model: Path | Graph,
    path_out: Path,
    *,
    images: Images | None = None,
) -> None:
    """Write the half-precision graph; nodes that would overflow stay in float32.

    A node is guarded when its constants do not fit, or when one of its tensors comes near the
    limit on `images` (uint8, (N,H,W,3)).
    """
    graph = canonical(Graph.read(model) if isinstance(model, Path) else model.copy())
    _halve(graph, overflowing_nodes(graph, images))
    graph.write(path_out)


def overflowing_nodes(graph: Graph, images: Images | None = None) -> set[str]:
    """Names of the nodes whose constants or activations leave the range of FP16."""
    tall = _tall_activations(graph, images) if images is not None else set()
    return {
        node.name
        for node in graph.nodes
        if not tall.isdisjoint([*node.input, *node.output])
        or any(_overflows(value, _LARGEST) for _, value in graph.constant_inputs(node))
    }


def _overflows(value: NDArray[np.generic], limit: float) -> bool:
    return value.dtype == np.float32 and bool(np.any(np.abs(value) > limit))


def _tall_activations(graph: Graph, images: Images) -> set[str]:
    tensors = sorted(_float_tensors(graph) - set(graph.constants))
    tall = set[str]()
    for values in observe(graph, tensors, batches_of(images, read_contract(graph))):
        tall |= {name for name, value in values.items() if _overflows(value, _LARGEST * _ROOM)}
    return tall


def _float_tensors(graph: Graph) -> set[str]:
    model = onnx.shape_inference.infer_shapes(graph.copy().to_model())
    known = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    found = {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {name for name, value in graph.constants.items() if value.dtype == np.float32}


def _halve(graph: Graph, guarded: set[str]) -> None:
    floats = _float_tensors(graph)
    ends = {item.name for item in [*graph.inputs, *graph.outputs]}
    own = guarded | {node.name for node in graph.nodes if node.op_type in _OF_THEIR_OWN}
    halves = [node for node in graph.nodes if node.name not in own and _may_be_half(graph, node)]
    is_half = {name for node in halves for name in node.output if name in floats}
    casts = dict[tuple[str, bool], str]()
    for node in list(graph.nodes):
        half = any(node is other for other in halves)
        for position, name in enumerate(node.input):
            if name in floats:
                here = half and _may_be_half(graph, node, position)
                node.input[position] = _as(graph, name, here, name in is_half, casts)
    _return_floats(graph, ends & is_half)
    graph.tidy()


def _may_be_half(graph: Graph, node: NodeProto, place: int | None = None) -> bool:
    """What it writes, or reads there: the scales of a Resize are float32 whatever it resizes."""
    if not onnx.defs.has(node.op_type, node.domain):
        return True
    schema = onnx.defs.get_schema(node.op_type, graph.opset, node.domain)
    ends = schema.outputs if place is None else schema.inputs
    return "tensor(float16)" in ends[min(place or 0, len(ends) - 1)].types


def _as(
    graph: Graph, name: str, half: bool, is_half: bool, casts: dict[tuple[str, bool], str]
) -> str:
    """The name under which a reader of the wanted precision finds this tensor."""
    if name in graph.constants:
        if not half:
            return name
        if (name, half) not in casts:
            value = graph.constants[name].astype(np.float16)
            casts[name, half] = graph.add_constant(f"{name}.half", value)
        return casts[name, half]
    if half == is_half:
        return name
    if (name, half) not in casts:
        kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        casts[name, half] = graph.emit("Cast", [name], hint=f"{name}.cast", to=kind)
    return casts[name, half]


def _return_floats(graph: Graph, names: set[str]) -> None:
    for name in names:
        maker = graph.producer(name)
        if maker is None:
            continue
        inner = graph.fresh(f"{name}.half")
        maker.output[:] = [inner if output == name else output for output in maker.output]
        graph.rewire(name, inner)
        graph.emit("Cast", [inner], hint=name, output=name, to=TensorProto.FLOAT)
