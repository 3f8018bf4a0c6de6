"""Passes over a whole model before it becomes a graph: one output, float32, our opset."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper, version_converter

from embedge.errors import EmbedgeError
from embedge.export.graph.surgery import FOREIGN_OPSETS, opset_of
from embedge.export.intake.older import as_older
from embedge.export.intake.original import shape_of

__all__ = ["OPSET", "in_float32", "in_opset", "wide_types", "with_one_output"]

OPSET = 17
_WIDE = {TensorProto.FLOAT16, TensorProto.DOUBLE}
_FLOATS = _WIDE | {TensorProto.FLOAT, TensorProto.UNDEFINED}
_IR = 8  # the oldest that carries OPSET


def with_one_output(model: onnx.ModelProto, wanted: str | None) -> onnx.ModelProto:
    """Only the embedding; `wanted` names it where there are several."""
    names = [item.name for item in model.graph.output]
    if wanted is None and len(names) != 1:
        told = ", ".join(f"{item.name} {shape_of(item)}" for item in model.graph.output)
        raise EmbedgeError(
            "E-OUTPUT",
            f"the model has {len(names)} outputs: {told}",
            remedy="Say which is the embedding: --output NAME, of evaluate --embedding NAME",
        )
    if wanted is not None and wanted not in names:
        raise EmbedgeError(
            "E-OUTPUT",
            f"the model has no output {wanted!r}; it has {', '.join(names)}",
            remedy="Name one of them with --output, of evaluate with --embedding",
        )
    kept = [item for item in model.graph.output if wanted in (None, item.name)][:1]
    kind = kept[0].type.tensor_type.elem_type
    if kept[0].type.WhichOneof("value") not in (None, "tensor_type") or kind not in _FLOATS:
        told = TensorProto.DataType.Name(kind) if kind else "no tensor"
        raise EmbedgeError(
            "E-OUTPUT",
            f"the output {kept[0].name} is {told}, and an embedding is a tensor of floats",
            remedy="Export the network with its embedding in float32 as its output",
        )
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model


def wide_types(model: onnx.ModelProto) -> set["TensorProto.DataType"]:
    """FLOAT16 and DOUBLE, where weights or ends of the model are of them."""
    ends = [item.type.tensor_type.elem_type for item in (*model.graph.input, *model.graph.output)]
    return _WIDE & {*ends, *(tensor.data_type for tensor in _tensors(model))}


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every half and double becomes a float32."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    del twin.graph.value_info[:]
    for item in (*twin.graph.input, *twin.graph.output):
        if item.type.tensor_type.elem_type in _WIDE:
            item.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in _tensors(twin):
        if tensor.data_type in _WIDE:
            value = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    for node in twin.graph.node:
        for item in node.attribute:
            if item.name in ("to", "dtype") and item.i in _WIDE:
                item.i = TensorProto.FLOAT
    return twin


def in_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The opset that graphs are written in here, by onnx's own converter.

    Most operators of a newer opset only take more types than before. Where the converter knows no
    way down they are relabelled, if onnx.checker and the comparison that follows agree.
    """
    version = opset_of(model, FOREIGN_OPSETS)
    if version == OPSET:
        return model
    try:
        if version > OPSET:
            model = as_older(model, version, OPSET)
        found = version_converter.convert_version(model, OPSET)
    except Exception:  # RuntimeErrors and their own, for each operator they lack
        found = onnx.ModelProto()
        found.CopyFrom(model)
        del found.opset_import[:]
        found.opset_import.extend([helper.make_opsetid("", OPSET)])
    found.ir_version = _IR
    del found.graph.value_info[:]
    try:
        onnx.checker.check_model(found, full_check=True)
    except Exception as error:  # the checker's and the shape inference's classes
        said = " ".join(str(error).split())[:200]
        raise EmbedgeError(
            "E-OPSET",
            f"the model cannot be brought from opset {version} to {OPSET}: {said}",
            remedy=f"Export it again with opset {OPSET}, by torch with dynamo=False: its newer"
            " exporter writes 18 or more, whatever it is told",
        ) from error
    return found


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for item in node.attribute:
            if item.type == AttributeProto.TENSOR:
                yield item.t
