"""The ONNX Runtime encoder: what it computes, what it refuses, where it runs."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from shared_encoder import answers_each_thread_alone, closes_under_running_calls
from tiny_bundles import contract_text, face_like, tiny_contract, tiny_onnx

from embedge.errors import EmbedgeError
from embedge.runtime import OrtEncoder
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders.ort import METADATA_KEY

CONTRACT = tiny_contract(64)
MODEL = tiny_onnx(CONTRACT)
FACES = np.stack([face_like(seed) for seed in range(5)])


def expected(faces: np.ndarray, model: bytes = MODEL) -> np.ndarray:
    """The same linear map in plain numpy."""
    weights = {
        t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer
    }
    planes = ((faces.astype(np.float64) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    blocks = planes.reshape(len(faces), 3, 7, 16, 7, 16)
    maps = np.einsum("ncyixj,ocij->noyx", blocks, weights["kernel"])
    rows = maps.reshape(len(faces), -1) @ weights["matrix"]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def changed(model: bytes, change: Callable[[onnx.ModelProto], object]) -> bytes:
    proto = onnx.load_from_string(model)
    change(proto)
    return proto.SerializeToString()


def test_embeddings_are_the_models_normalised() -> None:
    with OrtEncoder(MODEL) as encoder:
        rows = encoder.embed(FACES)
        assert encoder.contract == CONTRACT
        assert encoder.provider == "CPUExecutionProvider"
    assert rows.dtype == np.float32
    assert np.abs(rows - expected(FACES)).max() < 1e-5
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-6


def test_batches_of_any_size_agree() -> None:
    faces = np.stack([face_like(seed) for seed in range(70)])
    with OrtEncoder(MODEL, threads=1) as encoder:
        assert np.abs(encoder.embed(faces) - expected(faces)).max() < 1e-5
        assert encoder.embed(faces[:0]).shape == (0, 64)
        assert np.array_equal(encoder.embed(list(faces[:2])), encoder.embed(faces[:2]))


def test_a_fixed_batch_of_one_works_and_another_is_refused() -> None:
    with OrtEncoder(tiny_onnx(CONTRACT, batch=1)) as encoder:
        assert np.abs(encoder.embed(FACES) - expected(FACES)).max() < 1e-5
    with pytest.raises(EmbedgeError, match=r"E-GRAPH.*batch"):
        OrtEncoder(tiny_onnx(CONTRACT, batch=7))


def test_flip_sum_adds_the_mirrored_face() -> None:
    with OrtEncoder(MODEL, tiny_contract(64, flip="sum")) as encoder:
        rows, mirrored = encoder.embed(FACES), encoder.embed(FACES[:, :, ::-1])
    averaged = (FACES.astype(float) + FACES[:, :, ::-1]) / 2  # the tiny model is linear
    assert np.abs(rows - expected(averaged)).max() < 1e-5
    assert np.abs(rows - mirrored).max() < 1e-5


def test_colour_order_is_the_contracts_business() -> None:
    with OrtEncoder(MODEL, tiny_contract(64, colour="BGR")) as encoder:
        assert np.abs(encoder.embed(FACES[..., ::-1]) - expected(FACES)).max() < 1e-5


def test_no_metadata_no_contract() -> None:
    bare = changed(MODEL, lambda proto: proto.ClearField("metadata_props"))
    with pytest.raises(EmbedgeError, match="E-CONTRACT"):
        OrtEncoder(bare)
    assert OrtEncoder(bare, CONTRACT).contract == CONTRACT


def test_metadata_that_is_no_contract_is_refused() -> None:
    for text in ("{", "[]", "null", json.dumps({"space": "s"})):
        broken = changed(MODEL, partial(helper.set_model_props, dict_value={METADATA_KEY: text}))
        with pytest.raises(EmbedgeError, match="E-CONTRACT"):
            OrtEncoder(broken)


def test_a_missing_provider_is_an_error_not_a_fallback() -> None:
    with pytest.raises(EmbedgeError, match=r"E-PROVIDER.*TensorrtExecutionProvider"):
        OrtEncoder(MODEL, require_provider="TensorrtExecutionProvider")
    with pytest.raises(EmbedgeError, match="E-PROVIDER"):
        OrtEncoder(MODEL, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert OrtEncoder(MODEL, require_provider="CPUExecutionProvider").provider.startswith("CPU")


@pytest.mark.parametrize("contract", [tiny_contract(65), tiny_contract(64, size=128)])
def test_a_model_that_contradicts_its_contract_is_refused(contract: EmbeddingContract) -> None:
    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        OrtEncoder(MODEL, contract)


def test_crops_of_another_shape_are_refused() -> None:
    with OrtEncoder(MODEL) as encoder:
        for wrong in (FACES[:, :100], FACES.astype(np.float32), FACES[0], FACES[..., :1]):
            with pytest.raises(EmbedgeError, match="E-CROP"):
                encoder.embed(wrong)  # type: ignore[arg-type]
        with pytest.raises(EmbedgeError, match="E-CROP"):
            encoder.embed([FACES[0], FACES[0][:50]])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_embedding_without_direction_is_refused(value: float) -> None:
    def spoil(proto: onnx.ModelProto) -> None:
        matrix = next(t for t in proto.graph.initializer if t.name == "matrix")
        matrix.CopyFrom(numpy_helper.from_array(np.full((392, 64), value, np.float32), "matrix"))

    with OrtEncoder(changed(MODEL, spoil)) as encoder, pytest.raises(EmbedgeError, match="E-EMBED"):
        encoder.embed(FACES)


def test_rubbish_truncation_and_external_data_are_refused(tmp_path: Path) -> None:
    for data in (b"", b"hello", MODEL[:-100], MODEL[:1000], b"\x3a\xff\xff\xff\x7f"):
        with pytest.raises(EmbedgeError, match="E-GRAPH"):
            OrtEncoder(data)
    with pytest.raises(EmbedgeError, match="E-MODEL-MISSING"):
        OrtEncoder(tmp_path / "absent.onnx")
    proto = onnx.load_from_string(MODEL)
    onnx.save(
        proto,
        tmp_path / "outside.onnx",
        save_as_external_data=True,
        location="weights.bin",
    )
    with pytest.raises(EmbedgeError, match=r"E-GRAPH.*other files"):
        OrtEncoder(tmp_path / "outside.onnx")


def test_a_closed_encoder_says_so() -> None:
    encoder = OrtEncoder(MODEL)
    encoder.close()
    with pytest.raises(EmbedgeError, match="E-CLOSED"):
        encoder.embed(FACES)


def half_precision_qdq() -> bytes:
    """A matrix product whose weights and scales are half precision, quantised with Q/DQ."""
    random = np.random.default_rng(7)
    weights = random.normal(size=(16 * 147, 64)).astype(np.float32)
    scale = (np.abs(weights).max(0) / 127).astype(np.float16)
    codes = np.clip(np.round(weights / scale.astype(np.float32)), -127, 127).astype(np.int8)
    tensors = {
        "scale": np.float16(1 / 127),
        "zero": np.int8(0),
        "out_scale": np.float16(0.7),
        "codes": codes,
        "w_scale": scale,
        "w_zero": np.zeros(64, np.int8),
        "bias": (random.normal(size=64) * 5).astype(np.float16),
    }
    nodes = [
        helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Cast", ["small"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Flatten", ["half"], ["flat"]),
        helper.make_node("QuantizeLinear", ["flat", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        helper.make_node("DequantizeLinear", ["codes", "w_scale", "w_zero"], ["w"], axis=1),
        helper.make_node("Gemm", ["dq", "w", "bias"], ["out"]),
        helper.make_node("QuantizeLinear", ["out", "out_scale", "zero"], ["q_out"]),
        helper.make_node("DequantizeLinear", ["q_out", "out_scale", "zero"], ["dq_out"]),
        helper.make_node("Cast", ["dq_out"], ["embedding"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 64])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: contract_text(CONTRACT)})
    return model.SerializeToString()


def test_half_precision_scales_survive_onnxruntime() -> None:
    model = half_precision_qdq()
    values = {
        t.name: numpy_helper.to_array(t).astype(np.float64)
        for t in onnx.load_from_string(model).graph.initializer
    }
    small = ((FACES - 127.5) / 127.5).transpose(0, 3, 1, 2).reshape(5, 3, 28, 4, 28, 4)
    rows = small.mean(axis=(3, 5)).reshape(5, -1) @ (values["codes"] * values["w_scale"])
    rows += values["bias"]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with OrtEncoder(model) as encoder:
        assert (encoder.embed(FACES) * rows).sum(axis=1).min() > 0.999


def test_a_broken_model_says_nothing_but_the_error(capfd: pytest.CaptureFixture[str]) -> None:
    """onnxruntime would print its log, and try again on a fallback provider."""

    def break_shape(proto: onnx.ModelProto) -> None:
        matrix = next(t for t in proto.graph.initializer if t.name == "matrix")
        matrix.dims[0] = 5

    with pytest.raises(EmbedgeError, match="E-GRAPH"):
        OrtEncoder(changed(MODEL, break_shape))
    assert capfd.readouterr() == ("", "")


def test_threads_get_their_own_answers() -> None:
    with OrtEncoder(MODEL, threads=1) as encoder:
        answers_each_thread_alone(encoder.embed, [FACES[i % 5 :][: 1 + i % 3] for i in range(8)])


def test_it_may_be_closed_while_others_use_it() -> None:
    encoder = OrtEncoder(MODEL, threads=1)
    closes_under_running_calls(lambda: encoder.embed(FACES), encoder.close)
