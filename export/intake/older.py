"""What only newer opsets can say is said as an older one says it, where onnx's converter cannot."""

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, inliner, numpy_helper

from embedge.export.graph.surgery import plain_model

__all__ = ["as_older"]

_Values = Mapping[str, NDArray[np.generic]]


def as_older(model: onnx.ModelProto, version: int, wanted: int) -> onnx.ModelProto:
    """A copy: operators that came later are written out, axes that are an input are an attribute,
    and what says no more than an older operator does is left out."""
    found = _written_out(model, wanted)
    constants = {item.name: numpy_helper.to_array(item) for item in found.graph.initializer}
    for node in found.graph.node:
        old, new = (_known(node, number) for number in (wanted, version))
        if old is not None and new is not None:
            _axes_inside(node, constants, old)
            kept = [a for a in node.attribute if a.name in old.attributes or _says_more(a, new)]
            del node.attribute[:]
            node.attribute.extend(kept)
    return found


def _known(node: NodeProto, version: int) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        return None


def _written_out(model: onnx.ModelProto, wanted: int) -> onnx.ModelProto:
    """Gelu, GroupNormalization and their like, by the bodies that onnx defines them with."""
    later = {node.op_type for node in model.graph.node if _known(node, wanted) is None}
    typed = onnx.shape_inference.infer_shapes(model)  # some bodies are chosen by types
    if not later:
        return typed
    typed.graph.value_info.extend(
        helper.make_tensor_value_info(item.name, item.data_type, item.dims)
        for item in typed.graph.initializer
    )
    names = [("", name) for name in sorted(later)]
    return plain_model(
        inliner.inline_selected_functions(typed, names, inline_schema_functions=True)
    )


def _axes_inside(node: NodeProto, constants: _Values, old: onnx.defs.OpSchema) -> None:
    """Of ReduceMean and its kind."""
    axes = constants.get(node.input[1]) if len(node.input) == 2 else None
    if axes is not None and old.max_input == 1 and "axes" in old.attributes:
        del node.input[1:]
        node.attribute.append(helper.make_attribute("axes", axes.ravel().tolist()))


def _says_more(item: onnx.AttributeProto, new: onnx.defs.OpSchema) -> bool:
    value = helper.get_attribute_value(item)
    if item.name == "dilations":
        return set(value) != {1}
    if item.name == "num_outputs":  # a Split has as many as it writes
        return False
    known = new.attributes.get(item.name)
    return known is None or value != helper.get_attribute_value(known.default_value)
