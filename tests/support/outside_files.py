"""ONNX files that make a lenient reader open `secret.bin` beside the model: five hiding places."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import (
    AttributeProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    helper,
)

SECRET = "secret.bin"
COUNT = 4


def outside(kind: int = TensorProto.FLOAT, shape: tuple[int, ...] = (COUNT,)) -> TensorProto:
    tensor = TensorProto(name="w", data_type=kind, data_location=TensorProto.EXTERNAL, dims=shape)
    tensor.external_data.add(key="location", value=SECRET)
    return tensor


def model_of(
    nodes: list[NodeProto], tensors: list[TensorProto] | None = None, **more: Any
) -> ModelProto:
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [COUNT])
    graph = helper.make_graph(nodes, "g", [], [out], tensors or [], **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def sparse() -> SparseTensorProto:
    indices = helper.make_tensor("i", TensorProto.INT64, [COUNT], list(range(COUNT)))
    return helper.make_sparse_tensor(outside(), indices, [COUNT])


def identity(name: str) -> NodeProto:
    return helper.make_node("Identity", [name], ["y"])


def plain() -> bytes:
    return model_of([identity("w")], [outside()]).SerializeToString()


def sparse_initialiser() -> bytes:
    return model_of([identity("w")], sparse_initializer=[sparse()]).SerializeToString()


def constant_in_a_branch() -> bytes:
    constant = helper.make_node("Constant", [], ["y"], value=outside())
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [COUNT])]
    branch = helper.make_graph([constant], "b", [], out)
    test = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    yes = helper.make_tensor("c", TensorProto.BOOL, [1], [True])
    return model_of([test], [yes]).SerializeToString()


def sparse_constant() -> bytes:
    constant = helper.make_node("Constant", [], ["w"])
    constant.attribute.append(
        AttributeProto(
            name="sparse_value", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse()
        )
    )
    return model_of([constant, identity("w")]).SerializeToString()


def constant_in_a_function() -> bytes:
    constant = helper.make_node("Constant", [], ["y"], value=outside())
    opset = [helper.make_opsetid("", 17)]
    body = helper.make_function("own", "F", [], ["y"], [constant], opset)
    model = model_of([helper.make_node("F", [], ["y"], domain="own")])
    model.functions.append(body)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model.SerializeToString()


def overlong_tags() -> bytes:
    """Fields 13 and 14 of the tensor under tags of five bytes, which protobuf cuts to 32 bits."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[COUNT])
    entry = _part(13, outside().external_data[0].SerializeToString())
    hidden = tensor.SerializeToString() + _overlong(entry[0]) + entry[1:]
    hidden += _overlong(14 << 3) + b"\x01"
    return _with_initialiser(hidden)


def long_location() -> bytes:
    """data_location as 2³² + 1, which protobuf cuts to 1."""
    tensor = outside()
    tensor.ClearField("data_location")
    hidden = tensor.SerializeToString() + bytes([14 << 3, 0x81, 0x80, 0x80, 0x80, 0x10])
    return _with_initialiser(hidden)


def compiled_context() -> bytes:
    node = helper.make_node("EPContext", [], ["y"], domain="com.microsoft", ep_cache_context=SECRET)
    return model_of([node]).SerializeToString()


def _with_initialiser(tensor: bytes) -> bytes:
    """A model with a tensor that no library would write."""
    model = model_of([identity("w")])
    graph = model.graph.SerializeToString() + _part(5, tensor)
    model.ClearField("graph")
    return model.SerializeToString() + _part(7, graph)


def _part(number: int, body: bytes) -> bytes:
    assert len(body) < 1 << 14
    length = (
        bytes([len(body)]) if len(body) < 0x80 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    )
    return bytes([number << 3 | 2]) + length + body


def _overlong(tag: int) -> bytes:
    return bytes([tag & 0x7F | 0x80, 0x80, 0x80, 0x80, 0x10])  # plus 2³², lost in 32 bits


ATTACKS: dict[str, Callable[[], bytes]] = {
    each.__name__: each
    for each in (
        plain,
        sparse_initialiser,
        constant_in_a_branch,
        sparse_constant,
        constant_in_a_function,
        overlong_tags,
        long_location,
    )
}
SECRET_VALUES = np.array([3, 1, 4, 1], np.float32)
__all__ = ["ATTACKS", "SECRET", "SECRET_VALUES", "compiled_context"]
