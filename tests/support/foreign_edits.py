"""What other people's exporters do to a network, one habit each."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


def edited(base: ModelProto, edit: Callable[[ModelProto], None]) -> ModelProto:
    model = ModelProto()
    model.CopyFrom(base)
    edit(model)
    return model


def relabelled(opset: int) -> Callable[[ModelProto], None]:
    """Operators of these networks mean the same in all of them."""

    def edit(model: ModelProto) -> None:
        model.opset_import[0].version = opset
        model.ir_version = 11 if opset > 21 else 8
        for node in model.graph.node:  # it came with opset 14
            if node.op_type == "BatchNormalization" and opset < 14:
                kept = [item for item in node.attribute if item.name != "training_mode"]
                del node.attribute[:]
                node.attribute.extend(kept)

    return edit


def batch(count: int) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        for item in (*model.graph.input, *model.graph.output):
            item.type.tensor_type.shape.dim[0].dim_value = count
        last = model.graph.output[0]
        width = last.type.tensor_type.shape.dim[1].dim_value
        _append(model, "Reshape", [count, width])

    return edit


def _append(model: ModelProto, op: str, *arrays: object, **attributes: Any) -> None:
    """One more node behind the last one."""
    result = model.graph.output[0].name
    _rename(model, result, "inner")
    names = []
    for place, value in enumerate(arrays):
        array = np.asarray(value, None if isinstance(value, np.ndarray) else np.int64)
        names.append(f"appended.{op}.{place}")
        model.graph.initializer.append(numpy_helper.from_array(array, names[-1]))
    node = helper.make_node(op, ["inner", *names], [result], name=f"own/{op}", **attributes)
    model.graph.node.append(node)


def _rename(model: ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]
        node.input[:] = [new if name == old else name for name in node.input]


def _weights(model: ModelProto) -> dict[str, TensorProto]:
    return {item.name: item for item in model.graph.initializer}


def _array(model: ModelProto, name: str, value: NDArray[np.generic]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def batch_norms(model: ModelProto) -> None:
    known = _weights(model)
    rng = np.random.default_rng(0)
    nodes = list[NodeProto]()
    for number, node in enumerate(model.graph.node):
        nodes.append(node)
        if node.op_type != "Conv":
            continue
        count, result = known[node.input[1]].dims[0], node.output[0]
        node.output[0] = f"{result}.raw"
        values = [rng.uniform(0.7, 1.3, count), rng.normal(0, 0.05, count)]
        values += [rng.normal(0, 0.05, count), rng.uniform(0.7, 1.3, count)]
        names = [
            _array(model, f"bn{number}.{place}", value.astype(np.float32))
            for place, value in enumerate(values)
        ]
        nodes.append(helper.make_node("BatchNormalization", [f"{result}.raw", *names], [result]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def activation(op: str, **attributes: float) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        for node in model.graph.node:
            if node.op_type == "PRelu":
                node.op_type = op
                del node.input[1:]
                node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())

    return edit


def relu6(model: ModelProto) -> None:
    low, high = (_array(model, n, np.array(v, np.float32)) for n, v in (("low", 0), ("high", 6)))
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.op_type = "Clip"
            node.input[1:] = [low, high]


def shared_slope(model: ModelProto) -> None:
    slope = _array(model, "slope", np.full((1, 1, 1), 0.2, np.float32))
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.input[1] = slope


def slopes_of_a_batch(model: ModelProto) -> None:
    """As torch's own exporter writes them."""
    known = _weights(model)
    for node in model.graph.node:
        if node.op_type == "PRelu":
            value = numpy_helper.to_array(known[node.input[1]])
            node.input[1] = _array(model, f"{node.input[1]}.4", value.reshape(1, -1, 1, 1))


def _prepend(model: ModelProto, nodes: list[NodeProto], shape: list[Any], kind: int) -> None:
    """Nodes from `foreign` to what the first one read so far."""
    source = model.graph.input[0].name
    nodes[-1].output[0] = source
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("foreign", kind, shape))


def _sides(model: ModelProto) -> list[object]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]]


def nhwc(model: ModelProto) -> None:
    turn = helper.make_node("Transpose", ["foreign"], ["_"], perm=[0, 3, 1, 2])
    _prepend(model, [turn], ["batch", *_sides(model), 3], TensorProto.FLOAT)


def _inside(model: ModelProto, source: str) -> list[NodeProto]:
    mean = _array(model, "inside.mean", np.array([127.5], np.float32))
    scale = _array(model, "inside.scale", np.array([1 / 127.5], np.float32))
    return [
        helper.make_node("Sub", [source, mean], ["centred"]),
        helper.make_node("Mul", ["centred", scale], ["scaled"]),
    ]


def normalised_inside(model: ModelProto) -> None:
    nodes = _inside(model, "foreign")
    _prepend(model, nodes, ["batch", 3, *_sides(model)], TensorProto.FLOAT)


def uint8_nhwc(model: ModelProto) -> None:
    nodes = [
        helper.make_node("Cast", ["foreign"], ["floats"], to=TensorProto.FLOAT),
        *_inside(model, "floats"),
        helper.make_node("Transpose", ["scaled"], ["_"], perm=[0, 3, 1, 2]),
    ]
    _prepend(model, nodes, ["batch", *_sides(model), 3], TensorProto.UINT8)


def typed(kind: int) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        wide = helper.tensor_dtype_to_np_dtype(kind)
        inner = [a.t for n in model.graph.node for a in n.attribute if a.HasField("t")]
        for tensor in (*model.graph.initializer, *inner):
            if tensor.data_type == TensorProto.FLOAT:
                value = numpy_helper.to_array(tensor).astype(wide)
                tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
        for item in (*model.graph.input, *model.graph.output):
            item.type.tensor_type.elem_type = kind

    return edit


def l2_tail(model: ModelProto) -> None:
    result = model.graph.output[0].name
    _rename(model, result, "inner")
    low = _array(model, "tail.low", np.array(1e-12, np.float32))
    model.graph.node.extend(
        [
            helper.make_node("ReduceL2", ["inner"], ["length"], axes=[1], keepdims=1),
            helper.make_node("Clip", ["length", low], ["some"]),
            helper.make_node("Shape", ["inner"], ["whole"]),
            helper.make_node("Expand", ["some", "whole"], ["lengths"]),
            helper.make_node("Div", ["inner", "lengths"], [result]),
        ]
    )


def lp_tail(model: ModelProto) -> None:
    _append(model, "LpNormalization", axis=1, p=2)


def outside(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../elsewhere.bin"


def as_inputs(model: ModelProto) -> None:
    for tensor in model.graph.initializer:
        item = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(item)


def shared_weights(model: ModelProto) -> None:
    """Two convolutions have one weight or one bias, where these have one shape."""
    first = dict[tuple[int, ...], str]()
    known = _weights(model)
    shared = 0
    for node in model.graph.node:
        for place in range(1, len(node.input)) if node.op_type == "Conv" and shared < 2 else ():
            shape = tuple(known[node.input[place]].dims)
            shared += shape in first
            node.input[place] = first.setdefault(shape, node.input[place])
    assert shared


def unnamed(model: ModelProto) -> None:
    for node in model.graph.node:
        node.name = ""


def constant_nodes(model: ModelProto) -> None:
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(
        helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors
    )
    model.graph.node.extend(old)


def gemm(
    *, alpha: float = 1.0, beta: float = 1.0, row: bool = False, transposed: bool = False
) -> Callable[[ModelProto], None]:
    """Another matrix product and a batch norm behind the embedding."""

    def edit(model: ModelProto) -> None:
        rng = np.random.default_rng(1)
        width = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        weight = np.linalg.qr(rng.normal(size=(width, width)))[0].astype(np.float32)
        bias = rng.normal(size=(1, width) if row else width).astype(np.float32)
        about = {"alpha": alpha, "beta": beta, "transB": int(transposed)}
        _append(model, "Gemm", weight, bias, **about)
        facts = [rng.uniform(0.5, 1.5, width).astype(np.float32) for _ in range(4)]
        result = model.graph.output[0].name
        _rename(model, result, "product")
        names = [_array(model, f"last.{place}", value) for place, value in enumerate(facts)]
        model.graph.node.append(
            helper.make_node("BatchNormalization", ["product", *names], [result])
        )

    return edit


def empty_bias(model: ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.input[2:] = [""]


def nothings(model: ModelProto) -> None:
    _append(model, "Dropout")
    node = model.graph.node[0]
    result = node.output[0]
    node.output[0] = "before"
    model.graph.node.insert(1, helper.make_node("Identity", ["before"], [result]))


def four_axes(model: ModelProto) -> None:
    _append(model, "Unsqueeze", [2, 3])
    width = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    shape = ["batch", width, 1, 1]
    last = helper.make_tensor_value_info(model.graph.output[0].name, TensorProto.FLOAT, shape)
    model.graph.output[0].CopyFrom(last)


def second_output(model: ModelProto) -> None:
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Abs", [name], ["second"], name="own/abs"))
    twin = helper.make_tensor_value_info("second", TensorProto.FLOAT, ["batch", "width"])
    model.graph.output.append(twin)


def dynamic_height(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def second_input(model: ModelProto) -> None:
    _append(model, "Add")
    model.graph.node[-1].input.append("mask")
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def custom(model: ModelProto) -> None:
    _append(model, "Swoosh", domain="acme")
    model.graph.node[-1].name = "own/act"
    model.opset_import.append(helper.make_opsetid("acme", 1))


def quantised(model: ModelProto) -> None:
    scale = _array(model, "q.scale", np.array(0.1, np.float32))
    _append(model, "QuantizeLinear")
    model.graph.node[-1].name = "own/q"
    model.graph.node[-1].input.append(scale)
