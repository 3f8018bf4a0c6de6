"""Small ONNX encoders in every precision that engines are built from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY

DIM = 16


def contract(dim: int = DIM, **changes: Any) -> EmbeddingContract:
    return EmbeddingContract(**{"space": "s" * 64, "model": "m" * 64, "dim": dim, **changes})


def graph_file(
    path: Path,
    precision: str = "fp32",
    *,
    opset: int = 17,
    batch: str | int = "batch",
    zero_point: int = 0,
    codes: bool = False,
    **changes: Any,
) -> Path:
    """Conv, PReLU, residual add, pooling, matrix.

    INT8 is Q/DQ; its remainder is FP16 where the opset allows half-precision scales (19). With
    `codes` its weights are integers already, as TensorRT 10 takes them.
    """
    owner = contract(**changes)
    path.write_bytes(graph_bytes(precision, opset, batch, zero_point, owner, codes=codes))
    return path


def graph_bytes(
    precision: str,
    opset: int,
    batch: str | int,
    zero_point: int,
    owner: EmbeddingContract,
    *,
    codes: bool = False,
) -> bytes:
    half = precision == "fp16" or (precision == "int8" and opset >= 19)
    draft = _Draft(np.float16 if half else np.float32, codes=codes)
    quantised = precision == "int8"
    image = draft.cast("image", TensorProto.FLOAT16) if draft.half else "image"
    maps = draft.conv(image, (8, 3, 3, 3), 2, zero_point if quantised else None)
    maps = draft.node("PRelu", maps, draft.weight((8, 1, 1), scale=0.1))
    inner = draft.conv(maps, (8, 8, 3, 3), 1, zero_point if quantised else None)
    pooled = draft.node("GlobalAveragePool", draft.node("Add", maps, inner))
    flat = draft.node("Flatten", pooled)
    rows = draft.node("MatMul", flat, draft.weight((8, owner.dim)))
    last = "Cast" if draft.half else "Identity"
    attributes: dict[str, Any] = {"to": TensorProto.FLOAT} if draft.half else {}
    draft.nodes.append(helper.make_node(last, [rows], ["embedding"], name="last", **attributes))
    return draft.model(opset, batch, owner)


class _Draft:
    def __init__(self, dtype: type, *, codes: bool) -> None:
        self.dtype, self.half, self.codes = dtype, dtype is np.float16, codes
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name + "_out"], name=name, **attributes))
        return name + "_out"

    def keep(self, value: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, shape: tuple[int, ...], scale: float = 0.3) -> str:
        return self.keep(self.random.normal(scale=scale, size=shape).astype(self.dtype))

    def cast(self, name: str, to: int) -> str:
        return self.node("Cast", name, to=to)

    def conv(self, x: str, shape: tuple[int, ...], stride: int, zero_point: int | None) -> str:
        kernel: np.ndarray = self.random.normal(scale=0.2, size=shape).astype(self.dtype)
        weight = self.keep(kernel)
        if zero_point is not None:
            kind = np.int8 if zero_point == 0 else np.uint8
            x = self.fake_quantised(x, np.asarray(0.02, self.dtype), np.asarray(zero_point, kind))
            steps = (np.abs(kernel).max((1, 2, 3)) / 127).astype(self.dtype)
            zeros = np.zeros(len(steps), np.int8)
            if self.codes:
                whole = np.rint(kernel / steps.reshape(-1, 1, 1, 1)).clip(-127, 127)
                inputs = [self.keep(whole.astype(np.int8)), self.keep(steps), self.keep(zeros)]
                weight = self.node("DequantizeLinear", *inputs, axis=0)
            else:
                weight = self.fake_quantised(weight, steps, zeros, axis=0)
        return self.node(
            "Conv", x, weight, kernel_shape=shape[2:], strides=[stride] * 2, pads=[1] * 4
        )

    def fake_quantised(self, x: str, scale: np.ndarray, zero: np.ndarray, **attributes: Any) -> str:
        steps, zeros = self.keep(scale), self.keep(zero)
        whole = self.node("QuantizeLinear", x, steps, zeros, **attributes)
        return self.node("DequantizeLinear", whole, steps, zeros, **attributes)

    def model(self, opset: int, batch: str | int, owner: EmbeddingContract) -> bytes:
        size = owner.size
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, size, size])
        out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, owner.dim])
        body = helper.make_graph(self.nodes, "tiny", [image], [out], self.weights)
        model = helper.make_model(
            body, opset_imports=[helper.make_opsetid("", opset)], ir_version=9
        )
        helper.set_model_props(model, {METADATA_KEY: json.dumps(owner.to_json())})
        return bytes(model.SerializeToString())
