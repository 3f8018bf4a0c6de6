"""One float network in the many forms that other people's exporters give it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from embedge.export.intake.feeding import Stated
from embedge.export.intake.intake import Asked

Pictures = NDArray[np.uint8]
SCALED = Stated((127.5,), (127.5,), "RGB")
PLAIN = Stated((0.0,), (1.0,), "RGB")

NAMES = (
    "Constant nodes",
    "Dropout and Identity",
    "Gemm bias (1,N)",
    "Gemm transposed",
    "Gemm with alpha, beta",
    "HardSwish",
    "L2 tail",
    "LeakyRelu",
    "LpNormalization tail",
    "Relu6",
    "an output that is not there",
    "as it is",
    "batch fixed to 1",
    "batch fixed to 4",
    "batch norms apart",
    "custom operator",
    "doubles",
    "dynamic height",
    "empty Conv bias",
    "external data",
    "external data outside",
    "external data, no folder",
    "float NHWC",
    "halves",
    "initialisers as inputs",
    "normalised twice",
    "normalises inside",
    "nothing stated",
    "one shared slope",
    "opset 11",
    "opset 12",
    "opset 13",
    "opset 24",
    "opset 9",
    "output (N,dim,1,1)",
    "quantised already",
    "range 0-1",
    "shared weights",
    "two inputs",
    "two outputs",
    "two outputs, one named",
    "uint8 NHWC",
    "unnamed nodes",
)


@dataclass(frozen=True, slots=True)
class Variant:
    """`feed` makes its real input of pictures, `truth` is what answers where it cannot run;
    `refusal` is the error that it ends in, as a regular expression."""

    model: ModelProto
    asked: Asked = field(default_factory=lambda: Asked(SCALED))
    feed: Callable[[Pictures], NDArray[np.generic]] = lambda pictures: planes(pictures)
    truth: ModelProto | None = None
    refusal: str | None = None
    external: bool = False

    def write(self, folder: Path) -> Path:
        path = folder / "foreign.onnx"
        if self.external:
            onnx.save(
                _edited(self.model, lambda _: None),
                path,
                save_as_external_data=True,
                location="w.bin",
                size_threshold=0,
            )
        else:
            onnx.save(self.model, path)
        return path

    def answers(self, pictures: Pictures) -> NDArray[np.float32]:
        """What the network really says, by ONNX Runtime alone."""
        model = self.truth or self.model
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        entry = session.get_inputs()[0]
        fixed = entry.shape[0] if isinstance(entry.shape[0], int) else 1
        tensor = planes(pictures) if self.truth is not None else self.feed(pictures)
        wanted = [self.asked.output] if self.asked.output else None
        rows = [
            session.run(wanted, {entry.name: tensor[i : i + fixed]})[0]
            for i in range(0, len(tensor) // fixed * fixed, fixed)
        ]
        return np.concatenate(rows).reshape(len(tensor), -1).astype(np.float32)


def planes(pictures: Pictures) -> NDArray[np.float32]:
    return ((pictures.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2).copy()


def variants(base: ModelProto) -> Iterator[tuple[str, Variant]]:
    """Of a network of float32 planes with a free batch, opset 17, PRelu and a Gemm or MatMul."""
    yield "as it is", Variant(base)
    for opset in (11, 12, 13, 24):
        yield f"opset {opset}", Variant(_edited(base, _relabelled(opset)))
    yield "opset 9", Variant(_edited(base, _relabelled(9)), refusal="E-OPSET.*opset 9.*opset 17")
    for batch in (1, 4):
        yield f"batch fixed to {batch}", Variant(_edited(base, _batch(batch)))
    yield "batch norms apart", Variant(_edited(base, _batch_norms))
    yield "LeakyRelu", Variant(_edited(base, _activation("LeakyRelu", alpha=0.1)))
    yield "HardSwish", Variant(_edited(base, _activation("HardSwish")))
    yield "Relu6", Variant(_edited(base, _relu6))
    yield "one shared slope", Variant(_edited(base, _shared_slope))
    yield (
        "uint8 NHWC",
        Variant(_edited(base, _uint8_nhwc), Asked(PLAIN), feed=lambda pictures: pictures),
    )
    yield (
        "float NHWC",
        Variant(
            _edited(base, _nhwc),
            Asked(Stated((127.5,), (127.5,), "RGB", "NHWC")),
            feed=lambda p: planes(p).transpose(0, 2, 3, 1).copy(),
        ),
    )
    plain = _edited(base, _normalised_inside)
    yield (
        "normalises inside",
        Variant(plain, Asked(PLAIN), feed=lambda p: p.transpose(0, 3, 1, 2).astype(np.float32)),
    )
    yield "normalised twice", Variant(plain, refusal="E-FEEDING:.*inside.*--mean 0")
    yield "range 0-1", Variant(base, Asked(Stated((0.5,), (0.5,), "RGB", None, "0-1")))
    yield "nothing stated", Variant(base, Asked(), refusal="E-FEEDING-UNSTATED.*--mean")
    yield "doubles", Variant(_edited(base, _typed(TensorProto.DOUBLE)), truth=base)
    yield (
        "halves",
        Variant(
            _edited(base, _typed(TensorProto.FLOAT16)), feed=lambda p: planes(p).astype(np.float16)
        ),
    )
    yield "L2 tail", Variant(_edited(base, _l2_tail))
    yield "LpNormalization tail", Variant(_edited(base, _lp_tail))
    here = Asked(SCALED, weights=Path())
    yield "external data", Variant(base, here, external=True)
    yield (
        "external data, no folder",
        Variant(base, external=True, refusal="E-EXTERNAL-DATA.*--weights"),
    )
    yield (
        "external data outside",
        Variant(_edited(base, _outside), here, refusal="E-EXTERNAL-DATA.*not inside"),
    )
    yield "initialisers as inputs", Variant(_edited(base, _as_inputs))
    yield "shared weights", Variant(_edited(base, _shared_weights))
    yield "unnamed nodes", Variant(_edited(base, _unnamed))
    yield "Constant nodes", Variant(_edited(base, _constant_nodes))
    yield "Gemm with alpha, beta", Variant(_edited(base, _gemm(alpha=0.5, beta=2.0)))
    yield "Gemm bias (1,N)", Variant(_edited(base, _gemm(row=True)))
    yield "Gemm transposed", Variant(_edited(base, _gemm(alpha=0.7, transposed=True)))
    yield "empty Conv bias", Variant(_edited(base, _empty_bias))
    yield "Dropout and Identity", Variant(_edited(base, _nothings))
    yield "output (N,dim,1,1)", Variant(_edited(base, _four_axes))
    two = _edited(base, _second_output)
    yield "two outputs, one named", Variant(two, Asked(SCALED, output=base.graph.output[0].name))
    yield "two outputs", Variant(two, refusal="E-OUTPUT.*second.*--output")
    yield (
        "an output that is not there",
        Variant(two, Asked(SCALED, output="third"), refusal="E-OUTPUT.*'third'.*second"),
    )
    yield (
        "dynamic height",
        Variant(_edited(base, _dynamic_height), refusal="E-NOT-QUANTISABLE.*'height'.*one size"),
    )
    yield "two inputs", Variant(_edited(base, _second_input), refusal="E-NOT-QUANTISABLE.*2 inputs")
    yield (
        "custom operator",
        Variant(_edited(base, _custom), refusal="E-NOT-QUANTISABLE.*own/act.*acme::Swoosh"),
    )
    yield (
        "quantised already",
        Variant(_edited(base, _quantised), refusal="E-NOT-QUANTISABLE.*already.*own/q"),
    )


def _edited(base: ModelProto, edit: Callable[[ModelProto], None]) -> ModelProto:
    model = ModelProto()
    model.CopyFrom(base)
    edit(model)
    return model


def _relabelled(opset: int) -> Callable[[ModelProto], None]:
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


def _batch(count: int) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        for item in (*model.graph.input, *model.graph.output):
            item.type.tensor_type.shape.dim[0].dim_value = count
        last = model.graph.output[0]
        width = last.type.tensor_type.shape.dim[1].dim_value
        _append(model, "Reshape", [count, width])

    return edit


def _append(model: ModelProto, op: str, *arrays: object, **attributes: object) -> None:
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


def _batch_norms(model: ModelProto) -> None:
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


def _activation(op: str, **attributes: float) -> Callable[[ModelProto], None]:
    def edit(model: ModelProto) -> None:
        for node in model.graph.node:
            if node.op_type == "PRelu":
                node.op_type = op
                del node.input[1:]
                node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())

    return edit


def _relu6(model: ModelProto) -> None:
    low, high = (_array(model, n, np.float32(v)) for n, v in (("low", 0), ("high", 6)))
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.op_type = "Clip"
            node.input[1:] = [low, high]


def _shared_slope(model: ModelProto) -> None:
    slope = _array(model, "slope", np.full((1, 1, 1), 0.2, np.float32))
    for node in model.graph.node:
        if node.op_type == "PRelu":
            node.input[1] = slope


def _prepend(model: ModelProto, nodes: list[NodeProto], shape: list[object], kind: int) -> None:
    """Nodes from `foreign` to what the first one read so far."""
    source = model.graph.input[0].name
    nodes[-1].output[0] = source
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *old])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("foreign", kind, shape))


def _sides(model: ModelProto) -> list[object]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]]


def _nhwc(model: ModelProto) -> None:
    turn = helper.make_node("Transpose", ["foreign"], ["_"], perm=[0, 3, 1, 2])
    _prepend(model, [turn], ["batch", *_sides(model), 3], TensorProto.FLOAT)


def _inside(model: ModelProto, source: str) -> list[NodeProto]:
    mean = _array(model, "inside.mean", np.float32([127.5]))
    scale = _array(model, "inside.scale", np.float32([1 / 127.5]))
    return [
        helper.make_node("Sub", [source, mean], ["centred"]),
        helper.make_node("Mul", ["centred", scale], ["scaled"]),
    ]


def _normalised_inside(model: ModelProto) -> None:
    nodes = _inside(model, "foreign")
    _prepend(model, nodes, ["batch", 3, *_sides(model)], TensorProto.FLOAT)


def _uint8_nhwc(model: ModelProto) -> None:
    nodes = [
        helper.make_node("Cast", ["foreign"], ["floats"], to=TensorProto.FLOAT),
        *_inside(model, "floats"),
        helper.make_node("Transpose", ["scaled"], ["_"], perm=[0, 3, 1, 2]),
    ]
    _prepend(model, nodes, ["batch", *_sides(model), 3], TensorProto.UINT8)


def _typed(kind: int) -> Callable[[ModelProto], None]:
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


def _l2_tail(model: ModelProto) -> None:
    result = model.graph.output[0].name
    _rename(model, result, "inner")
    low = _array(model, "tail.low", np.float32(1e-12))
    model.graph.node.extend(
        [
            helper.make_node("ReduceL2", ["inner"], ["length"], axes=[1], keepdims=1),
            helper.make_node("Clip", ["length", low], ["some"]),
            helper.make_node("Shape", ["inner"], ["whole"]),
            helper.make_node("Expand", ["some", "whole"], ["lengths"]),
            helper.make_node("Div", ["inner", "lengths"], [result]),
        ]
    )


def _lp_tail(model: ModelProto) -> None:
    _append(model, "LpNormalization", axis=1, p=2)


def _outside(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../elsewhere.bin"


def _as_inputs(model: ModelProto) -> None:
    for tensor in model.graph.initializer:
        item = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(item)


def _shared_weights(model: ModelProto) -> None:
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


def _unnamed(model: ModelProto) -> None:
    for node in model.graph.node:
        node.name = ""


def _constant_nodes(model: ModelProto) -> None:
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    old = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(
        helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors
    )
    model.graph.node.extend(old)


def _gemm(
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


def _empty_bias(model: ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Conv":
            node.input[2:] = [""]


def _nothings(model: ModelProto) -> None:
    _append(model, "Dropout")
    node = model.graph.node[0]
    result = node.output[0]
    node.output[0] = "before"
    model.graph.node.insert(1, helper.make_node("Identity", ["before"], [result]))


def _four_axes(model: ModelProto) -> None:
    _append(model, "Unsqueeze", [2, 3])
    width = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    shape = ["batch", width, 1, 1]
    last = helper.make_tensor_value_info(model.graph.output[0].name, TensorProto.FLOAT, shape)
    model.graph.output[0].CopyFrom(last)


def _second_output(model: ModelProto) -> None:
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Abs", [name], ["second"], name="own/abs"))
    twin = helper.make_tensor_value_info("second", TensorProto.FLOAT, ["batch", "width"])
    model.graph.output.append(twin)


def _dynamic_height(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _second_input(model: ModelProto) -> None:
    _append(model, "Add")
    model.graph.node[-1].input.append("mask")
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1]))


def _custom(model: ModelProto) -> None:
    _append(model, "Swoosh", domain="acme")
    model.graph.node[-1].name = "own/act"
    model.opset_import.append(helper.make_opsetid("acme", 1))


def _quantised(model: ModelProto) -> None:
    scale = _array(model, "q.scale", np.float32(0.1))
    _append(model, "QuantizeLinear")
    model.graph.node[-1].name = "own/q"
    model.graph.node[-1].input.append(scale)


class TinyViT(nn.Module):
    """Patches, a class token, two blocks of attention, an embedding."""

    def __init__(self, width: int = 64, dim: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(torch.randn(1, 50, width) * 0.1)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.embed = nn.Linear(width, dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.embed(self.norm(x)[:, 0])


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        parts = self.qkv(self.first(x)).reshape(n, tokens, 3, 4, width // 4).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]
        seen = (q @ k.transpose(-2, -1) / (width // 4) ** 0.5).softmax(-1) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(n, tokens, width))
        return x + self.narrow(nn.functional.gelu(self.wide(self.second(x))))


def tiny_vit(path: Path, *, free: bool) -> ModelProto:
    torch.manual_seed(0)
    axes = {"image": {0: "batch"}, "embedding": {0: "batch"}} if free else None
    torch.onnx.export(
        TinyViT().eval(),
        (torch.zeros(2 if free else 1, 3, 112, 112),),
        str(path),
        input_names=["image"],
        output_names=["embedding"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
        external_data=False,
    )
    return onnx.load(path)
