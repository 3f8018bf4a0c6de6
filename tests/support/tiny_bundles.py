"""Small real ONNX encoders and bundles made of them, for tests of everything downstream."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embedge.runtime import Artifact, EmbeddingContract, Threshold, write_bundle
from embedge.runtime.encoders.ort import METADATA_KEY

SIZE = 112


def tiny_contract(dim: int = 512, **changes: Any) -> EmbeddingContract:
    return EmbeddingContract(**{"space": "s" * 64, "model": "m" * 64, "dim": dim, **changes})


def tiny_threshold(value: float = 0.3) -> Threshold:
    return Threshold(
        value=value,
        fmr_target=1e-4,
        fmr=6e-5,
        fmr_upper=9.5e-5,
        confidence=0.95,
        impostors=10_000_000,
        subjects=4_500,
        dataset="a test set",
        model="m" * 64,
    )


def tiny_onnx(contract: EmbeddingContract, *, seed: int = 0, batch: str | int = "batch") -> bytes:
    """One convolution and one matrix: linear, so embeddings of unlike pictures differ widely."""
    random = np.random.default_rng(seed)
    kernel = random.normal(size=(8, 3, 16, 16)).astype(np.float32)
    matrix = random.normal(size=(392, contract.dim)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["maps"], strides=[16, 16]),
            helper.make_node("Flatten", ["maps"], ["flat"]),
            helper.make_node("Gemm", ["flat", "matrix"], ["embedding"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [batch, contract.dim])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: contract_text(contract)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def contract_text(contract: EmbeddingContract) -> str:
    import json

    return json.dumps(contract.to_json())


def tiny_bundle(
    folder: Path,
    *,
    name: str = "tiny",
    dim: int = 64,
    files: dict[str, bytes] | None = None,
    **options: Any,
) -> Path:
    """A bundle of two artifacts, the second without a threshold."""
    contract = tiny_contract(dim)
    model = tiny_onnx(contract)
    artifacts = [
        Artifact("fp32", "student.fp32.onnx", "fp32", 17, tiny_threshold()),
        Artifact("raw", "student.fp32.onnx", "fp32", 17, None),
    ]
    return write_bundle(
        folder,
        name=name,
        contract=contract,
        artifacts=artifacts,
        files={
            "student.fp32.onnx": model,
            "engines/note.txt": b"none were built\n",
            **(files or {}),
        },
        provenance={"method": "test"},
        default_artifact="fp32",
        **options,
    )


def face_like(seed: int, size: int = SIZE) -> np.ndarray:
    """A smooth random picture: each seed another 'person'."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, size=(7, 7, 3)).astype(np.uint8)
    from PIL import Image

    return np.array(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
